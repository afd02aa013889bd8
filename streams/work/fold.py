"""Apply a record of a shard's log, and return the records for each topic."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from pipeline import keys
from pipeline.drive import halt_at_last_record, pass_over, take, take_unread
from pipeline.errors import MalformedRecordError
from pipeline.messages.account_alerts import AccountLiquidated, HealthLow, HealthRestored
from pipeline.messages.base import Output, View
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import (
    ChecksSkipped,
    Decision,
    PlanMessage,
    PoolDrifted,
    PositionLeft,
    PositionSetApart,
    Quarantined,
    ReadFailed,
    Released,
)
from pipeline.messages.entries import PassedRecord
from pipeline.messages.events import AnyEvent
from pipeline.messages.order_alerts import OrderEndRefused, OrderEndTaken
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.versions import TYPE_FIELD
from pipeline.messages.views import Rewound, TradeSeen, ViewRemoved
from pipeline.state.shard import Shard
from pipeline.units import Offset, PoolId, ShardId
from streams.kafka.codec import decode_event, encode
from streams.kafka.forms import object_in
from streams.kafka.topics import DEAD_LETTERS, DECISIONS, EVENTS, INTENTS, OUTPUTS, SWAPS, TopicRecord

_KEPT_BYTES = 1024 * 1024
_LONGEST_ERROR = 2_000
"""It quotes what is wrong, and that may be megabytes."""


def fold_log(shard: Shard, records: Iterable[tuple[Offset, bytes | None]]) -> list[TopicRecord]:
    """Apply records of the shard's log, and collect their outputs. Raises: NewerRecordError."""
    return [told for offset, payload in records for told in fold_record(shard, offset, payload)]


def fold_record(shard: Shard, offset: Offset, payload: bytes | None) -> tuple[TopicRecord, ...]:
    """Apply one record of the shard's log and return its outputs, in order.

    A record that the shard has seen leads to nothing; bytes that are not a message lead to a dead letter.
    Raises: NewerRecordError for what a newer Evenkeel wrote; the shard still stands before it.
    """
    if offset <= shard.cursor:
        return ()
    try:
        event = decode_event(payload or b"", where=f"{EVENTS.name}[{shard.id}]@{offset}")
    except MalformedRecordError as error:
        pass_over(shard, offset)
        return (_dead_letter(shard.id, offset, payload or b"", str(error)),)
    return _folded(shard, offset, event)


def fold_unread(shard: Shard, offset: Offset, payload: bytes, word: PassedRecord) -> tuple[TopicRecord, ...]:
    """Skip a record that cannot be read, on an operator's request: its bytes are kept as a dead letter."""
    stated = str(object_in(payload).get(TYPE_FIELD))
    told = take_unread(shard, offset, stated, word)
    says = f"{EVENTS.name}[{shard.id}]@{offset}: {stated} cannot be read here; passed over by {word.by}: {word.reason}"
    return (*_written(shard.id, (told,)), _dead_letter(shard.id, offset, payload, says))


def _folded(shard: Shard, offset: Offset, event: AnyEvent) -> tuple[TopicRecord, ...]:
    """Apply an event, and encode its outputs; one that cannot be encoded halts the shard."""
    outputs = take(shard, offset, event)
    try:
        return _written(shard.id, outputs)
    except MemoryError:  # of the machine, not of the record
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record leads to, only its shard stops
        return _written(shard.id, halt_at_last_record(shard, offset, event, error))


def _written(shard: ShardId, outputs: Iterable[Output]) -> tuple[TopicRecord, ...]:
    records: list[TopicRecord] = []
    for output in outputs:
        kind = type(output)
        if kind is Rewound:
            records += _rewound(shard, output)
        else:
            records.append(_writer(kind)(shard, output))
    return tuple(records)


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


def _rewound(shard: ShardId, output: Output) -> list[TopicRecord]:
    """Tell on every topic of outputs that a branch has ended."""
    value = encode(output)
    return [TopicRecord(topic.name, keys.REWOUND.encode(), value, shard) for topic in OUTPUTS]


def _view_removed(shard: ShardId, output: ViewRemoved) -> TopicRecord:
    return TopicRecord(_topic_of_view(output.topic), output.key.encode(), None, shard)


def _view(shard: ShardId, output: View) -> TopicRecord:
    return TopicRecord(_topic_of_view(output.topic), output.key.encode(), encode(output), shard)


def _trade(shard: ShardId, output: TradeSeen) -> TopicRecord:
    return TopicRecord(SWAPS.name, _key_of_pool(output.traded_at), encode(output), shard)


@lru_cache(maxsize=1_024)
def _key_of_pool(pool: PoolId) -> bytes:
    """Name a pool as a record's key: of every swap, and mostly of the same pools."""
    return keys.pool(pool).encode()


def _intent(shard: ShardId, output: SubmitTransaction) -> TopicRecord:
    return TopicRecord(INTENTS.name, keys.book(output.book).encode(), encode(output), shard)


def _decision(shard: ShardId, output: Output) -> TopicRecord:
    return TopicRecord(DECISIONS.name, _subject(shard, output).encode(), encode(output), shard)


_WRITERS: Mapping[type[Output], Callable[[ShardId, Any], TopicRecord]] = {
    ViewRemoved: _view_removed,
    View: _view,
    TradeSeen: _trade,
    SubmitTransaction: _intent,
    Output: _decision,
}
"""How outputs are written that become one record: the first that an output is of."""


@cache
def _writer(kind: type[Output]) -> Callable[[ShardId, Any], TopicRecord]:
    """Return the encoder of a type of outputs, looked up once per type."""
    return next(write for base, write in _WRITERS.items() if issubclass(kind, base))


def _topic_of_view(name: str) -> str:
    return f"{name}.v1"


def _subject(shard: ShardId, output: Output) -> str:
    """Return the key of a decision or an alert: what it is about."""
    match output:
        case (
            Decision(book=book)
            | PlanMessage(book=book)
            | PositionLeft(book=book)
            | PositionSetApart(book=book)
            | OrderEndTaken(book=book)
            | OrderEndRefused(book=book)
        ):
            return keys.book(book)
        case HealthLow(book=book) | HealthRestored(book=book) | AccountLiquidated(book=book):
            return keys.book(book)
        case Quarantined(item=item) | Released(item=item) | ReadFailed(item=item):
            return item
        case PoolDrifted(pool=pool) | ChecksSkipped(pool=pool):
            return keys.pool(pool)
    return keys.shard(shard)
