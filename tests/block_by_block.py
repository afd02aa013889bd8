"""A log whose runs of quiet blocks are applied one block at a time, as a reference for records of several blocks."""

from collections.abc import Iterable

from pipeline import keys
from pipeline.advance import advance
from pipeline.follow.quiet_runs import seen_of
from pipeline.messages.base import Output
from pipeline.messages.entries import Cursor
from pipeline.messages.events import AnyEvent, BlocksPassed
from pipeline.state.rule_changes import note_rules
from pipeline.state.shard import Shard
from pipeline.units import Offset


def blocks_of(event: AnyEvent) -> list[AnyEvent]:
    """Give a record for each block of a run."""
    return (
        [seen_of(event, at) for at in range(len(event.blocks))]
        if isinstance(event, BlocksPassed)
        else [event]
    )


def one_by_one(shard: Shard, log: Iterable[AnyEvent]) -> list[Output]:
    """Apply each block alone, under the offset of its record, which names plans and outputs."""
    said: list[Output] = []
    for place, event in enumerate(log):
        offset = Offset(place)
        note_rules(shard, offset)
        for each in blocks_of(event):
            said += advance(shard, offset, each)
        shard.tables.put(keys.CURSOR, Cursor(offset=offset))
    return said
