"""Apply a record of a shard's log and say what goes onto which topic: the same wherever a log is folded."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance import advance, give_up
from pipeline.errors import MalformedRecordError
from pipeline.messages.base import Output, View
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import (
    ChecksSkipped,
    Decision,
    NftLeft,
    NftSetApart,
    PlanMessage,
    PoolDrifted,
    Quarantined,
    ReadFailed,
    Released,
)
from pipeline.messages.entries import Cursor
from pipeline.messages.events import AnyEvent
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import Rewound, SwapSeen, ViewRemoved
from pipeline.shard import Shard
from pipeline.units import Offset, ShardId
from streams.codec import decode_event, encode
from streams.topics import DEAD_LETTERS, DECISIONS, EVENTS, INTENTS, OUTPUTS, SWAPS, TopicRecord

CURSOR = "cursor"
BEFORE_THE_FIRST = Offset(-1)

_KEPT_BYTES = 1024 * 1024
_LONGEST_ERROR = 2_000
"""It quotes what is wrong, and that may be megabytes."""


def cursor_of(shard: Shard) -> Offset:
    """Tell the last record that is in the shard's entries; -1 where there is none."""
    cursor = shard.tables.find(CURSOR, Cursor)
    return BEFORE_THE_FIRST if cursor is None else cursor.offset


def fold_record(shard: Shard, offset: Offset, payload: bytes | None) -> tuple[TopicRecord, ...]:
    """Apply one record of the shard's log and return what it leads to, in order.

    A record that the shard has seen leads to nothing; bytes that are no message lead to a dead letter.
    """
    if offset <= cursor_of(shard):
        return ()
    records: tuple[TopicRecord, ...]
    try:
        event = decode_event(payload or b"", where=f"{EVENTS.name}[{shard.id}]@{offset}")
    except MalformedRecordError as error:
        records = (_dead_letter(shard.id, offset, payload or b"", str(error)),)
    else:
        records = _folded(shard, offset, event)
    shard.tables.put(CURSOR, Cursor(offset=offset))
    return records


def pass_over(shard: Shard, offset: Offset) -> None:
    """Move the cursor over offsets that hold no record: what ends a transaction, or was taken back with one."""
    if offset > cursor_of(shard):
        shard.tables.put(CURSOR, Cursor(offset=offset))


def _folded(shard: Shard, offset: Offset, event: AnyEvent) -> tuple[TopicRecord, ...]:
    """Advance, and write what was said; what cannot be written halts the shard, as what cannot be taken in does."""
    try:
        outputs = advance(shard, offset, event)
        return tuple(record for output in outputs for record in _records(shard.id, output))
    except MemoryError:  # of the machine, not of the record
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record leads to, only its shard stops
        outputs = give_up(shard, offset, event, error)
        return tuple(record for output in outputs for record in _records(shard.id, output))


def _dead_letter(shard: ShardId, offset: Offset, payload: bytes, error: str) -> TopicRecord:
    letter = DeadLetter(
        topic=EVENTS.name,
        partition=shard,
        offset=offset,
        error=error[:_LONGEST_ERROR],
        size_bytes=len(payload),
        payload=payload[:_KEPT_BYTES],
    )
    return TopicRecord(DEAD_LETTERS.name, keys.dead_letter(shard, offset).encode(), encode(letter), shard)


def _records(shard: ShardId, output: Output) -> Iterator[TopicRecord]:
    match output:
        case Rewound():
            value = encode(output)
            for topic in OUTPUTS:
                yield TopicRecord(topic.name, keys.REWOUND.encode(), value, shard)
        case ViewRemoved():
            yield TopicRecord(_topic_of_view(output.topic), output.key.encode(), None, shard)
        case View():
            yield TopicRecord(_topic_of_view(output.topic), output.key.encode(), encode(output), shard)
        case SwapSeen():
            yield TopicRecord(SWAPS.name, keys.pool(output.pool).encode(), encode(output), shard)
        case SubmitTransaction():
            yield TopicRecord(INTENTS.name, keys.book(output.book).encode(), encode(output), shard)
        case _:
            yield TopicRecord(DECISIONS.name, _subject(shard, output).encode(), encode(output), shard)


def _topic_of_view(name: str) -> str:
    return f"{name}.v1"


def _subject(shard: ShardId, output: Output) -> str:
    """Name what a decision or an alert is about: its key."""
    match output:
        case Decision(book=book) | PlanMessage(book=book) | NftLeft(book=book) | NftSetApart(book=book):
            return keys.book(book)
        case Quarantined(item=item) | Released(item=item) | ReadFailed(item=item):
            return item
        case PoolDrifted(pool=pool) | ChecksSkipped(pool=pool):
            return keys.pool(pool)
    return keys.shard(shard)
