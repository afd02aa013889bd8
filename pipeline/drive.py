"""Drive a shard through its log: fold events, return outputs and keep the state. Workers, verification, dry-runs and tests share it.

The cursor is part of the state: it stands at the last record that was taken in, and a record at or before it leads to nothing.
"""

from collections.abc import Iterable

from pipeline import keys
from pipeline.advance import advance, give_up, pass_unreadable
from pipeline.messages.base import Output
from pipeline.messages.decisions import RecordPassedOver
from pipeline.messages.entries import Cursor, PassedRecord
from pipeline.messages.events import AnyEvent
from pipeline.state.rule_changes import note_rules
from pipeline.state.shard import Shard
from pipeline.units import Offset


def drive(shard: Shard, events: Iterable[AnyEvent]) -> list[Output]:
    """Apply the records after the cursor one by one, and collect their outputs. Never raises."""
    return [output for event in events for output in take(shard, Offset(shard.cursor + 1), event)]


def take(shard: Shard, offset: Offset, event: AnyEvent) -> tuple[Output, ...]:
    """Apply one record, and return its outputs in order. Never raises."""
    if offset <= shard.cursor:
        return ()
    note_rules(shard, offset)
    outputs = advance(shard, offset, event)
    shard.tables.put(keys.CURSOR, Cursor(offset=offset))
    return outputs


def halt_at_last_record(
    shard: Shard, offset: Offset, event: AnyEvent, error: Exception
) -> tuple[Output, ...]:
    """Undo the last applied record and halt the shard at it, because its outputs cannot be written."""
    outputs = give_up(shard, offset, event, error)
    shard.forget_looks()
    pass_over(shard, offset)
    return outputs


def take_unread(shard: Shard, offset: Offset, record_type: str, word: PassedRecord) -> RecordPassedOver:
    """Pass over a record that this release cannot read, by an operator's command."""
    note_rules(shard, offset)
    told = pass_unreadable(shard, offset, record_type, word)
    pass_over(shard, offset)
    return told


def pass_over(shard: Shard, offset: Offset) -> None:
    """Advance the cursor past an offset without an event: a transaction marker, an aborted record, or an invalid message."""
    if offset > shard.cursor:
        shard.tables.put(keys.CURSOR, Cursor(offset=offset))
