"""Cache values derived from a shard's entries until one of these entries is written.

It is memory, never stored: whoever has just loaded the entries makes it again when it is asked for. Callers give a function and its
arguments, not a closure: making one takes longer than finding the value.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar, TypeVarTuple

from pipeline.keys import Place
from pipeline.state.written_keys import WrittenKeys

R = TypeVar("R")
Arguments = TypeVarTuple("Arguments")


class Remembered:
    """A derived value, and how often its sources had been written to when it was computed."""

    def __init__(self, written: WrittenKeys) -> None:
        """Start without any value; `written` tracks the keys of the entries."""
        self._written = written
        self._derived: dict[str, tuple[tuple[object, ...], Any]] = {}
        self._of_families: dict[str, Any] = {}
        self._remembered_of: defaultdict[str, list[str]] = defaultdict(list)
        """By family, the keys of cached values that depend on its entries."""
        self._writes: defaultdict[str, int] = defaultdict(int)
        self.seen_writes = 0
        """The number of writes, undone ones included, to entries on which views depend."""
        self._touched: dict[str, Place] = {}
        """The keys that were written since the last call of `take_touched`."""

    def writes(self, *listed_under: str) -> tuple[int, ...]:
        """Count the writes, undone ones included, to the entries of each family or under each prefix, for `derived`."""
        return tuple(map(self._writes.__getitem__, listed_under))

    def written(self, reader: str, *listed_under: str) -> Collection[str]:
        """Return the keys of these families or prefixes written since a reader's last call, undone writes included; at first all keys."""
        return self._written.take(reader, listed_under)

    def take_touched(self) -> Mapping[str, Place]:
        """Return the keys written since the last call, undone writes included, with the group of each."""
        written, self._touched = self._touched, {}
        return written

    def overlook(self, keys: Iterable[str]) -> None:
        """Leave keys out of the next result of `take_touched`."""
        for key in keys:
            self._touched.pop(key, None)

    def derived(
        self,
        key: str,
        made_of: tuple[object, ...],
        make: Callable[[*Arguments], R],
        *arguments: *Arguments,
    ) -> R:
        """Return a value that follows from these sources alone; it is computed again only where one of them is another object."""
        known = self._derived.get(key)
        if known is None or known[0] != made_of:
            known = self._derived[key] = (made_of, make(*arguments))
        derived: R = known[1]
        return derived

    def of_family(self, key: str, family: str, make: Callable[[*Arguments], R], *arguments: *Arguments) -> R:
        """Return a value that follows from the entries of one family alone; it is computed again only after a write to the family."""
        if key not in self._of_families:
            return self.of_families(key, (family,), make, *arguments)
        derived: R = self._of_families[key]
        return derived

    def of_families(
        self, key: str, families: tuple[str, ...], make: Callable[[*Arguments], R], *arguments: *Arguments
    ) -> R:
        """Return a value that follows from the entries of several families alone; it is computed again only after a write to one of them."""
        if key not in self._of_families:
            self._of_families[key] = make(*arguments)
            for family in families:
                self._remembered_of[family].append(key)
        derived: R = self._of_families[key]
        return derived

    def _count_write(self, place: Place) -> None:
        """Count a write to an entry."""
        key, lists = place.names[0], place.lists
        self.seen_writes += place.is_in_view
        self._touched[key] = place
        for under in lists:
            self._writes[under] += 1
            if under in self._written.followed:
                self._written.note(under, key)
        for derived in self._remembered_of.pop(lists[0], ()):
            self._of_families.pop(derived, None)
