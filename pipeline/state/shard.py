"""A shard: a state machine over one log, with its tables and the venues' working copies."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pipeline import keys
from pipeline.messages.entries import Cursor, DecidedUnder
from pipeline.state.resting_books import Rests
from pipeline.state.tables import Tables, Value
from pipeline.units import Offset, ShardId

C = TypeVar("C")

BEFORE_THE_FIRST = Offset(-1)


class Shard:
    """All books whose id falls on one partition."""

    def __init__(self, id: ShardId, entries: Mapping[str, Value] | None = None) -> None:  # noqa: A002
        """Start from the entries of a checkpoint."""
        self.id = id
        self.tables = Tables(entries)
        self.rules = self._last_rules()
        """The rules under which the shard's last record was decided; None before the first."""
        self.rests = Rests()
        """The idle books, which are not evaluated until something changes."""
        self.shown: Any = None
        """What the shard showed after its last record, where that is remembered: see `pipeline/advance/shard_views.py`."""
        self._working: dict[str, object] = {}

    @property
    def cursor(self) -> Offset:
        """The offset of the last record that the entries include; -1 where there is none."""
        cursor = self.tables.find(keys.CURSOR, Cursor)
        return BEFORE_THE_FIRST if cursor is None else cursor.offset

    def _last_rules(self) -> int | None:
        begun = self.tables.group(keys.rules.family, DecidedUnder)
        last = max(begun, key=lambda each: each[1].first_offset, default=None)
        return None if last is None else keys.rules.parse(last[0])[0]

    def working_copy(self, item: str, kind: type[C], make: Callable[[], C | None]) -> C | None:
        """Return an item's working copy, building it from its entries where there is none; None where there are no entries."""
        found = self._working.get(item)
        if isinstance(found, kind):
            return found
        made = make()
        if made is not None:
            self._working[item] = made
        return made

    def forget_looks(self) -> None:
        """Forget what is cached of books, so that each is judged again, as after a restart."""
        self.rests.end_all()
        self.shown = None

    def drop_working_copies(self, items: Iterable[str] | None = None) -> None:
        """Drop working copies, all of them by default: the entries are the truth."""
        if items is None:
            self._working.clear()
            return
        for item in items:
            self._working.pop(item, None)
