"""Compare a shard's outputs and state with a second fold of its log; decisions only as far as they were made under our rules."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

import msgspec

from pipeline import keys, rules
from pipeline.errors import UNREADABLE
from pipeline.messages.base import Output
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.entries import DecidedUnder, PassedRecord
from pipeline.state.rule_changes import begin_at, is_decided
from pipeline.state.shard import Shard
from pipeline.state.tables import Value
from pipeline.units import Offset
from streams.kafka.codec import decode_output, encode
from streams.kafka.readers import Record
from streams.kafka.topics import BOOKS, DECISIONS, INTENTS
from streams.skipped_records import SkipCommands
from streams.work.fold import fold_record, fold_unread

DECIDED_TOPICS = frozenset({DECISIONS.name, INTENTS.name, BOOKS.name})
"""What is said here follows from decisions, and from what a book is worth; on the other topics it is the chain's under all rules."""

Said = tuple[bytes, bytes | None]


class Span(NamedTuple):
    """The records of a shard's log that were decided under our rules; none where `begun` is None."""

    begun: DecidedUnder | None
    end: Offset | None
    """The first that was decided under others again."""
    is_whole: bool
    """Nothing was decided under other rules."""

    @classmethod
    def of(cls, shard: Shard) -> Self:
        """Find the span in a shard's state."""
        begins = sorted(
            (entry.first_offset, keys.rules.parse(key)[0], entry)
            for key, entry in shard.tables.group(keys.rules.family, DecidedUnder)
        )
        ours = next((entry for _, number, entry in begins if number == rules.RULES), None)
        later = [first for first, number, _ in begins if ours is not None and first > ours.first_offset]
        return cls(ours, later[0] if later else None, is_whole=len(begins) == 1 and ours is not None)

    def holds(self, offset: int | None) -> bool:
        """Return whether a record was decided under our rules."""
        if self.begun is None or offset is None:
            return False
        return self.begun.first_offset <= offset and (self.end is None or offset < self.end)

    def told(self) -> str:
        """Describe which decisions are compared."""
        if self.begun is None:
            return f"no decision: none was made under rules {rules.RULES}, which are this Evenkeel's"
        until = "" if self.end is None else f" up to {self.end - 1}"
        return f"decisions from offset {self.begun.first_offset} on{until}, under rules {rules.RULES}; others were made under other rules"


class Refold:
    """An undisturbed fold of a shard's log: what it says by topic, with the record that each follows from."""

    def __init__(self, shard: Shard, commands: SkipCommands | None = None) -> None:
        """Set the shard whose log is folded, which has the offset of our rules' begin, and the operators' commands to pass over records."""
        self.span = Span.of(shard)
        standing = self.span.begun or DecidedUnder(first_offset=Offset(0), decided={}, overwritten={})
        self.shard = Shard(shard.id, {keys.rules(rules.RULES): standing})
        self._passed = dict(shard.tables.group(keys.passed.family, PassedRecord))
        self._skip_commands = commands or SkipCommands()
        self.said: dict[str, list[tuple[int, Said]]] = {}
        self._is_begun = standing.first_offset == 0

    def take(self, offset: Offset, payload: bytes | None) -> None:
        """Fold one record; a record that the shard passed over is passed over here too, even if this release can read it. Raises: NewerRecordError."""
        begun = self.span.begun
        if begun is not None and not self._is_begun and offset >= begun.first_offset:
            begin_at(self.shard, begun)
            self._is_begun = True
        word = self.skip_command_for(offset, payload)
        folded = (
            fold_record(self.shard, offset, payload)
            if word is None
            else fold_unread(self.shard, offset, payload or b"", word)
        )
        for output in folded:
            self.said.setdefault(output.topic, []).append((offset, (output.key, output.value)))

    def skip_command_for(self, offset: Offset, payload: bytes | None) -> PassedRecord | None:
        """Return the command by which the shard passed over a record, if its state and its log agree on it."""
        word = self._passed.get(keys.passed(offset))
        return word if word is not None and word == self._skip_commands.find(offset, payload or b"") else None

    def entries_that_differ(self, entries: Mapping[str, Value]) -> list[str]:
        """List the keys of a shard's entries that differ from those of the fold."""
        ours = self.shard.tables.entries()
        comparable = self.span.begun is not None and self.span.end is None
        return sorted(
            key
            for key in entries.keys() | ours.keys()
            if entries.get(key) != ours.get(key)
            and not keys.rules.matches(key)
            and (comparable or not is_decided(key))
        )

    def count_entries(self) -> int:
        """Count the entries of the fold."""
        return sum(not keys.rules.matches(key) for key in self.shard.tables.entries())

    def compare(self, topic: str, records: Sequence[Record], *, grows: bool) -> tuple[int, str | None]:
        """Compare a partition with the fold: return how many outputs were compared, and the first difference, if any.

        While the shard moves on, what it has said since is passed over.
        """
        expected = self.said.get(topic, [])
        if topic in DECIDED_TOPICS and not self.span.is_whole:
            return self._compare_decided(topic, records, expected)
        found = list(records[: len(expected)] if grows else records)
        return len(expected), _different(found, [said for _, said in expected], self.span)

    def _compare_decided(
        self, topic: str, records: Sequence[Record], expected: Sequence[tuple[int, Said]]
    ) -> tuple[int, str | None]:
        """Compare the outputs of records that were decided under our rules; of views only the current ones."""
        ours = [record for record in records if record.value and self._is_ours(record.value)]
        told = [said for offset, said in expected if self.span.holds(offset)]
        if topic != BOOKS.name:
            return len(told), _different(ours, told, self.span)
        newest = {record.key or b"": record for record in records if record.value}
        present = {
            key: value for key, value in _present(told).items() if not self._is_replaced(newest.get(key))
        }
        found = [newest[key] for key in present if key in newest]
        return len(present), _different(found, list(present.items()), self.span)

    def _is_replaced(self, newest: Record | None) -> bool:
        """Return whether a view was published or removed under other rules since."""
        if self.span.end is None:
            return False
        offset = None if newest is None else _offset_of(newest.value or b"")
        return offset is None or offset >= self.span.end

    def _is_ours(self, value: bytes) -> bool:
        offset = _offset_of(value)
        return self.span.holds(offset) and offset is not None and offset <= self.shard.cursor


def _different(records: Sequence[Record], expected: Sequence[Said], span: Span) -> str | None:
    """Compare a partition with the fold. A compacted topic may have lost what was replaced."""
    if [(record.key or b"", record.value) for record in records] == list(expected):
        return None
    said = [(record.key or b"", _plain(record.value, span)) for record in records]
    told = [(key, _plain(value, span)) for key, value in expected]
    if said == told or (_present(said) == _present(told) and len(said) < len(told)):
        return None
    known = set(told)
    foreign = (record.where for record, one in zip(records, said, strict=True) if one not in known)
    first = next(foreign, "none that it would not have")
    return f"{len(said)} records are not the {len(told)} of the undisturbed fold; the first that differs: {first}"


def _present(said: Iterable[Said]) -> dict[bytes, bytes]:
    return {key: value for key, value in dict(said).items() if value is not None}


def _plain(value: bytes | None, span: Span) -> bytes | None:
    """Write what a record says in the newest form; where our rules did not decide it, without its rules."""
    if value is None:
        return None
    try:
        said = decode_output(value)
    except UNREADABLE:
        return value
    if isinstance(said, DeadLetter):  # why it could not be read is a matter of words
        return encode(msgspec.structs.replace(said, error=""))
    if isinstance(said, Output) and not span.holds(said.because_of.offset):
        said = msgspec.structs.replace(said, rules=0)
    return encode(said)


def _offset_of(value: bytes) -> int | None:
    try:
        said = decode_output(value)
    except UNREADABLE:
        return None
    return said.because_of.offset if isinstance(said, Output) else None
