"""The signer's proof that it wrote its journal: a MAC on each record, and one digest over all live records."""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from pipeline import keys
from pipeline.errors import JournalError, MalformedRecordError, NewerRecordError
from pipeline.messages.journal import AnyJournal, JournalSeal, journal_key
from pipeline.units import Address, ChainId
from streams.kafka.codec import decode_body, decode_record, encode, encode_record
from streams.submit.port import Stored
from streams.submit.signer import Signer

_LENGTH_BYTES = 8


class Genuine(NamedTuple):
    """An entry that the signer itself has written."""

    entry: AnyJournal
    sequence: int
    mac: str


class Stamp:
    """Writes and checks the MACs of one signer's journal."""

    def __init__(self, signer: Signer, chain_id: ChainId) -> None:
        """Set the signer's secret for this chain."""
        self.signer: Address = signer.address
        self._secret = signer.journal_secret(chain_id)

    def write(self, entry: AnyJournal, sequence: int) -> tuple[bytes, str]:
        """Encode an entry as a record, and return its MAC too. Raises: OversizedError."""
        body = encode(entry)
        mac = self._mac(journal_key(entry).encode(), sequence, body)
        return encode_record(sequence, mac, body), mac

    def read(self, stored: Stored) -> Genuine:
        """Decode a record. Raises: JournalError saying why it is not the signer's."""
        try:
            record = decode_record(stored.value or b"", where=stored.where)
            mac = self._mac(stored.key, record.sequence, bytes(record.body))
            if not hmac.compare_digest(mac.encode(), record.mac.encode()):
                raise JournalError("its MAC is not this signer's: somebody else wrote it")
            entry = decode_body(record, where=stored.where)
        except MalformedRecordError as error:
            raise JournalError(f"it is not an entry of a journal: {error}") from error
        except NewerRecordError as error:
            raise JournalError(f"this signer cannot read it: {error}") from error
        if entry.signer != self.signer or journal_key(entry).encode() != stored.key:
            raise JournalError(f"it holds an entry of the key {journal_key(entry)}")
        return Genuine(entry, record.sequence, mac)

    @property
    def opened_key(self) -> bytes:
        """Return the marker's key: its record is replaced at each start and read by nobody."""
        return keys.journal_opened(self.signer).encode()

    @property
    def seal_key(self) -> bytes:
        """Return the seal's key."""
        return keys.journal_seal(self.signer).encode()

    def seal(self, sequence: int, macs: Mapping[bytes, str], forgotten: Sequence[bytes] = ()) -> bytes:
        """Encode the seal of a commit after which these keys are in force."""
        seal = JournalSeal(
            signer=self.signer,
            sequence=sequence,
            digest=digest_of(macs),
            forgotten=tuple(key.decode(errors="replace") for key in forgotten),
        )
        return self.write(seal, sequence)[0]

    def _mac(self, key: bytes, sequence: int, body: bytes) -> str:
        parts = (key, str(sequence).encode(), body)
        message = b"".join(len(part).to_bytes(_LENGTH_BYTES) + part for part in parts)
        return hmac.digest(self._secret, message, "sha256").hex()


def digest_of(macs: Mapping[bytes, str]) -> str:
    """Compute the digest of the entries in force: each key with its MAC, ordered by key."""
    total = sha256()
    for key in sorted(macs):
        total.update(len(key).to_bytes(_LENGTH_BYTES) + key + macs[key].encode())
    return total.hexdigest()
