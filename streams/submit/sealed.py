"""A signer's journal with proof: each entry is sealed when written, and checked when read."""

import os
import secrets
import socket
from collections.abc import Mapping, Sequence

import structlog

from pipeline import keys
from pipeline.errors import JournalError
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.journal import AnyJournal, JournalOpened
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.codec import encode
from streams.kafka.topics import DEAD_LETTERS, NONCES, TopicRecord
from streams.submit.audit import Audit, JournalFault
from streams.submit.bound_attempts import checker
from streams.submit.port import JournalStore, Stored
from streams.submit.seal import Stamp
from streams.submit.signer import Signer

log = structlog.get_logger(__name__)

_NAMED = 3
"""How many faults an error lists; the log has all of them."""
_LONGEST_LETTER = 8 * 1024 * 1024


class SealedJournal:
    """`submit_port.Journal` on a store that others may write to."""

    def __init__(self, store: JournalStore, signer: Signer, chain_id: ChainId) -> None:
        """Prepare; `open` connects."""
        self._store = store
        self._stamp = Stamp(signer, chain_id)
        self._check = checker(signer, chain_id)
        self._macs: dict[bytes, str] = {}
        self._sequence = 0

    async def open(self) -> list[AnyJournal]:
        """Fence the signer's former process and load what it committed. Raises: FencedError, CommitError, JournalError."""
        audit = await self._audit()
        refuse(audit.faults())
        live = audit.live()
        self._macs = {key: genuine.mac for key, genuine in live.items()}
        self._sequence = audit.sequence
        return [genuine.entry for genuine in live.values()]

    async def commit(
        self, entries: Mapping[str, AnyJournal | None], others: Sequence[TopicRecord] = ()
    ) -> None:
        """Write entries by key (None deletes), a seal, and records of other topics. Raises: FencedError, CommitError."""
        sequence, macs = self._sequence + 1, dict(self._macs)
        records: dict[bytes, bytes | None] = {}
        for name, entry in entries.items():
            key = name.encode()
            if entry is None:
                macs.pop(key, None)
                records[key] = None
            else:
                records[key], macs[key] = self._stamp.write(entry, sequence)
        forgotten = [key for key, value in records.items() if value is None]
        records[self._stamp.seal_key] = self._stamp.seal(sequence, macs, forgotten)
        await self._store.commit(records, others)
        self._sequence, self._macs = sequence, macs

    async def close(self) -> None:
        """Close the connections. Never raises."""
        await self._store.close()

    # -------------------------------------------------------------- on an operator's word
    async def set_aside(self) -> list[JournalFault]:
        """Restore the journal to what the signer last wrote; what others wrote becomes dead letters.

        Raises: JournalError where what the signer wrote is no longer all there: only `forget` helps then.
        """
        audit = await self._audit()
        faults = audit.faults()
        restored = audit.restored()
        if restored is None:
            raise JournalError(
                f"what the signer last wrote is no longer all on the topic ({_several(faults)}): "
                "all of it can only be forgotten (--forget)"
            )
        if faults:
            await self._put_back(audit, restored, faults)
        return faults

    async def forget(self) -> list[JournalFault]:
        """Empty the journal: the signer loses all nonces, intents and budgets. Returns the faults that it had."""
        audit = await self._audit()
        faults = audit.faults()
        await self._put_back(audit, {}, faults)
        return faults

    async def _put_back(
        self, audit: Audit, wanted: Mapping[bytes, Stored], faults: Sequence[JournalFault]
    ) -> None:
        present = {key: stored.value for key, stored in audit.present().items()}
        values = {key: stored.value for key, stored in wanted.items()}
        records = {key: values.get(key) for key in present | values if present.get(key) != values.get(key)}
        forgotten = [key for key, value in records.items() if value is None]
        seal = self._stamp.seal(audit.sequence + 1, audit.macs(wanted), forgotten)
        letters = [_letter(fault) for fault in faults if fault.stored is not None]
        await self._store.commit({**records, self._stamp.seal_key: seal}, letters)

    async def _audit(self) -> Audit:
        audit = Audit(self._stamp, self._check)
        marker = JournalOpened(signer=self._stamp.signer, instance=_instance())
        record, _ = self._stamp.write(marker, 0)
        await self._store.open((self._stamp.opened_key, record), audit.take)
        return audit


def refuse(faults: Sequence[JournalFault]) -> None:
    """Accept a journal only where it has no fault. Raises: JournalError naming the faults."""
    for fault in faults:
        log.error(
            "a record of the journal has no valid proof", where=fault.where, key=fault.key, why=fault.why
        )
    if faults:
        raise JournalError(
            f"the journal is not what its signer wrote: {_several(faults)}. "
            "`evenkeel intents journal FILE` lists all and can set them aside"
        )


def _instance() -> str:
    """Make a name for this start of this process, which nobody can have used before."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(16)}"


def _several(faults: Sequence[JournalFault]) -> str:
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return "; ".join(map(str, faults[:_NAMED])) + more


def _letter(fault: JournalFault) -> TopicRecord:
    assert fault.stored is not None
    value = fault.stored.value or b""
    letter = DeadLetter(
        topic=NONCES.name,
        partition=ShardId(fault.stored.partition),
        offset=Offset(fault.stored.offset),
        error=fault.why,
        size_bytes=len(value),
        payload=value[:_LONGEST_LETTER],
    )
    key = keys.dead_letter_of(NONCES.name, fault.stored.partition, fault.stored.offset).encode()
    return TopicRecord(DEAD_LETTERS.name, key, encode(letter), ShardId(0))
