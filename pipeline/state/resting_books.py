"""Keep which books of a shard rest, and wake a book when an entry it depends on is written or a bound is passed.

It is remembered, never stored: a shard that has just been loaded has no rests, and looks at every book once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from heapq import heapify, heappop, heappush
from itertools import zip_longest

import msgspec

from pipeline.messages.policy import Policy
from pipeline.units import BookId

_SPARE_ALARMS = 64
_LEAST_AWAKE, _MOST_AWAKE = 8, 64
"""The bounds of the number of times for which a book does not rest."""
_NOTHING: AbstractSet[str] = frozenset()


class RestEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The writes and bounds that end a book's rest."""

    watched: tuple[tuple[str, ...], ...]
    """The keys of entries, or groups of entries, any write to which ends the rest. In parts, of which some may be those of the last rest."""
    bounds: Mapping[str, int]
    """By measure, the first value that ends the rest, from below. A falling measure is counted negative."""


class Rests:
    """The idle books of a shard ("resting"), and those that are evaluated at every block."""

    def __init__(self) -> None:
        """Start without books."""
        self._books: tuple[Policy, ...] = ()
        self._awake: dict[BookId, Policy] = {}
        self._resting: dict[BookId, tuple[int, Policy]] = {}
        """By book, the number of its rest, and its policy."""
        self._watchers: defaultdict[str, set[BookId]] = defaultdict(set)
        """By name, the books that have ever watched it; one that no longer does is evaluated in vain."""
        self._watched: dict[BookId, tuple[tuple[str, ...], ...]] = {}
        """By book, the names that it watched in its last rest."""
        self._alarms: defaultdict[str, list[tuple[int, int, BookId]]] = defaultdict(list)
        """By measure, a heap of bounds, each with the number of its rest; bounds of ended rests are ignored."""
        self._ended_by: dict[BookId, AbstractSet[str]] = {}
        """By book, the watched names whose writes ended its last rest; empty where a measure ended it."""
        self._awake_for: dict[BookId, int] = {}
        self._stays: dict[BookId, int] = {}
        """By book, for how many blocks it last stayed awake, while only writes have ended its rests."""
        self._looked_at: set[BookId] = set()
        self._count = 0

    def keep_books(self, books: tuple[Policy, ...]) -> None:
        """Set the shard's books; where any of them has changed, none rests."""
        if books is not self._books:
            self.end_all()
            self._books = books
            self._awake = {policy.book: policy for policy in books}

    @property
    def any_rests(self) -> bool:
        """Return whether any book rests."""
        return bool(self._resting)

    def begin(self, policy: Policy, rest: RestEnd) -> None:
        """Let a book rest."""
        self._count += 1
        self._looked_at.add(policy.book)
        self._awake.pop(policy.book, None)
        self._resting[policy.book] = (self._count, policy)
        for part, former in zip_longest(rest.watched, self._watched.get(policy.book, ())):
            if part and part is not former:
                for name in part:
                    self._watchers[name].add(policy.book)
        self._watched[policy.book] = rest.watched
        for measure, bound in rest.bounds.items():
            heap = self._alarms[measure]
            heappush(heap, (bound, self._count, policy.book))
            if len(heap) > 2 * len(self._resting) + _SPARE_ALARMS:
                heap[:] = [alarm for alarm in heap if self._is_present(alarm[2], alarm[1])]
                heapify(heap)

    def watched_of(self, names: AbstractSet[str]) -> AbstractSet[str]:
        """Return which of these names any book watches."""
        return names & self._watchers.keys()

    def note_writes(self, names: AbstractSet[str]) -> None:
        """End the rest of each book that watches one of these names."""
        watched = self.watched_of(names)
        for name in watched:
            self._wake(self._watchers[name], watched)

    def note_writes_of(self, book: BookId, names: AbstractSet[str]) -> None:
        """End the rest of one book, because of writes that concern no other that watches these names."""
        self._wake((book,), names)

    def note_measures(self, measures: Mapping[str, int]) -> None:
        """End the rest of each book whose bounds these measures have reached."""
        for measure, value in measures.items():
            heap = self._alarms.get(measure)
            while heap and heap[0][0] <= value:
                _, number, book = heappop(heap)
                if self._is_present(book, number):
                    self._stays.pop(book, None)
                    self._wake((book,))

    def ended_by(self, book: BookId) -> AbstractSet[str]:
        """Return the name whose write ended a book's last rest, if a book still watches it."""
        return self._ended_by.get(book, _NOTHING)

    def stay_awake(self, book: BookId) -> None:
        """Keep a book from resting for the next blocks, twice as many as last time where only writes have ended its rests since."""
        self._ended_by.pop(book, None)
        times = min(2 * self._stays[book], _MOST_AWAKE) if book in self._stays else _LEAST_AWAKE
        self._awake_for[book] = self._stays[book] = times

    def stays_awake(self, book: BookId) -> bool:
        """Return whether a book must not rest at this block."""
        times = self._awake_for.pop(book, 0)
        if times > 1:
            self._awake_for[book] = times - 1
        return times > 0

    def end_all(self) -> None:
        """End every rest."""
        self._stays.clear()
        self._watchers.clear()
        self._watched.clear()
        self._alarms.clear()
        self._wake(list(self._resting))

    def awake(self) -> list[Policy]:
        """List the books that do not rest, ordered by id."""
        return [self._awake[book] for book in sorted(self._awake)]

    def take_looked_at(self) -> set[BookId]:
        """Return the books that did not rest at some time since the last call."""
        looked_at = self._looked_at | self._awake.keys()
        self._looked_at = set()
        return looked_at

    def take_looked_at_among(self, books: Iterable[BookId]) -> set[BookId]:
        """Return which of some books did not rest at some time since the last call, where the others have nothing to publish."""
        looked_at = {book for book in books if book in self._awake or book in self._looked_at}
        self._looked_at = set()
        return looked_at

    def _is_present(self, book: BookId, number: int) -> bool:
        found = self._resting.get(book)
        return found is not None and found[0] == number

    def _wake(self, books: Iterable[BookId], written: AbstractSet[str] = _NOTHING) -> None:
        for book in books:
            found = self._resting.pop(book, None)
            if found is not None:
                self._awake[book] = found[1]
                self._ended_by[book] = written
