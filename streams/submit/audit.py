"""Compare a journal with its seal: what the signer did not write, what is missing, what was changed."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pipeline.errors import JournalError
from pipeline.messages.journal import AnyJournal, JournalSeal, NonceBound
from streams.submit.port import Stored
from streams.submit.seal import Genuine, Stamp, digest_of


class JournalFault(NamedTuple):
    """A record that must not be in the journal, or one that is missing from it."""

    where: str
    key: str
    why: str
    stored: Stored | None = None
    """The record, where there is one."""

    def __str__(self) -> str:
        return f"{self.where}, key {self.key}: {self.why}"


class _Version(NamedTuple):
    """The newest known record of a key; None: the key was deleted."""

    sequence: int
    stored: Stored | None


class Audit:
    """Checks a signer's records in their order. Its results count once all records were given to it."""

    def __init__(self, stamp: Stamp, check: Callable[[NonceBound], None]) -> None:
        """Set the function that checks a bound nonce; it raises JournalError."""
        self._stamp = stamp
        self._check = check
        self._live: dict[bytes, Stored] = {}
        self._versions: dict[bytes, _Version] = {}
        self._seal: tuple[JournalSeal, Stored] | None = None
        """The newest that the signer wrote, wherever it stands."""

    def take(self, stored: Stored) -> None:
        """Check the next record."""
        if stored.key == self._stamp.opened_key:
            return
        self._live.pop(stored.key, None)
        if stored.value is None:
            return
        self._live[stored.key] = stored
        try:
            found = self._stamp.read(stored)
        except JournalError:
            return  # a fault only if nothing replaces it
        if isinstance(found.entry, JournalSeal):
            self._take_seal(found.entry, stored)
        else:
            self._note(stored.key, _Version(found.sequence, stored))

    def _take_seal(self, seal: JournalSeal, stored: Stored) -> None:
        if self._seal is None or seal.sequence > self._seal[0].sequence:
            self._seal = seal, stored
        for key in seal.forgotten:
            self._note(key.encode(), _Version(seal.sequence, None))

    def _note(self, key: bytes, version: _Version) -> None:
        """Keep the newest record by the signer's own count: a forger may have chosen the order on the topic."""
        known = self._versions.get(key)
        if known is None or version.sequence > known.sequence:
            self._versions[key] = version

    # -------------------------------------------------------------- what it comes to
    @property
    def sequence(self) -> int:
        """Number of the newest commit; 0 before the first."""
        return 0 if self._seal is None else self._seal[0].sequence

    def live(self) -> dict[bytes, Genuine]:
        """List the entries in force by key, without the seal. Call it only where there are no faults."""
        return {key: self._stamp.read(stored) for key, stored in self._entries().items()}

    def faults(self) -> list[JournalFault]:
        """List every reason not to trust the journal."""
        found = [fault for stored in self._live.values() if (fault := self._fault_of(stored)) is not None]
        known = {fault.key for fault in found}
        return [*found, *(fault for fault in self._seal_faults() if fault.key not in known)]

    def restored(self) -> dict[bytes, Stored] | None:
        """Return the entries that the newest seal covers; None where they are no longer complete."""
        if self._seal is None:
            return None if self._versions else {}
        seal, place = self._seal
        newest = {key: each.stored for key, each in self._versions.items() if each.stored is not None}
        before = {key: stored for key, stored in newest.items() if stored.offset < place.offset}
        for candidate in (newest, before):
            if digest_of(self.macs(candidate)) == seal.digest and not self._unsound(candidate):
                return candidate
        return None

    def present(self) -> Mapping[bytes, Stored]:
        """List the records in force by key, whoever wrote them."""
        return self._live

    def macs(self, records: Mapping[bytes, Stored]) -> dict[bytes, str]:
        """Return the MAC of each of the signer's own records."""
        return {key: self._stamp.read(stored).mac for key, stored in records.items()}

    # -------------------------------------------------------------- faults
    def _entries(self) -> dict[bytes, Stored]:
        return {key: stored for key, stored in self._live.items() if key != self._stamp.seal_key}

    def _unsound(self, records: Mapping[bytes, Stored]) -> bool:
        return any(self._fault_of(stored) is not None for stored in records.values())

    def _fault_of(self, stored: Stored) -> JournalFault | None:
        try:
            entry: AnyJournal = self._stamp.read(stored).entry
            if isinstance(entry, NonceBound):
                self._check(entry)
        except JournalError as error:
            return JournalFault(stored.where, stored.name, str(error), stored)
        return None

    def _seal_faults(self) -> list[JournalFault]:
        """Compare the entries in force with the seal that the signer last wrote."""
        if self._seal is None:
            return [
                JournalFault(stored.where, stored.name, "nothing seals it: the seal was removed", stored)
                for stored in self._entries().values()
            ]
        seal, place = self._seal
        there = self._live.get(self._stamp.seal_key)
        if there is None or there.value != place.value:
            where = place.where if there is None else there.where
            why = f"it is not the newest seal, number {seal.sequence} at {place.where}: an older state was put back"
            return [JournalFault(where, self._stamp.seal_key.decode(), why, there), *self._differences()]
        genuine = {key: each for key, each in self._entries().items() if self._fault_of(each) is None}
        if digest_of(self.macs(genuine)) == seal.digest:
            return []
        return self._differences() or [
            JournalFault(
                place.where, place.name, "what it seals is not all here: records were removed or put back"
            )
        ]

    def _differences(self) -> list[JournalFault]:
        """Name the keys whose records differ from what the signer last wrote."""
        found = []
        live = self._entries()
        for key, (_, stored) in self._versions.items():
            there = live.get(key)
            name = key.decode(errors="replace")
            if there is None and stored is not None:
                found.append(JournalFault(stored.where, name, "it was removed by somebody else"))
            elif there is not None and stored is None:
                found.append(
                    JournalFault(there.where, name, "it was forgotten, and put back by somebody else", there)
                )
            elif there is not None and stored is not None and there.value != stored.value:
                found.append(JournalFault(there.where, name, f"a newer one stands at {stored.where}", there))
        return found
