"""A watcher that starts from the worker's committed state follows the same logs as one that has read the whole log."""

import pytest
from desk import Desk, live
from worlds.lending.chain import LendingDesk, hedged

from pipeline.drive import take
from pipeline.follow.due_reads import wanted
from pipeline.follow.routes import follow
from pipeline.messages.events import AnyEvent
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Offset, ShardId
from pipeline.venues.registry import venues
from streams.kafka.codec import encode
from streams.watch.fake_log import FakeEventLog, FakeWatchBroker
from streams.watch.follower import Follower

BLOCKS = 40


def hedged_log() -> list[AnyEvent]:
    desk = LendingDesk(hedged())
    for _ in range(BLOCKS):
        desk.block()
    assert desk.chain.debt, "nothing was borrowed"
    return desk.watcher.log


def ranged_log() -> list[AnyEvent]:
    desk = Desk(live())
    for _ in range(BLOCKS):
        desk.block()
    return desk.watcher.log


def followed_by(tables: Tables) -> list[object]:
    """What decides which logs a block's record has, and what is asked beside."""
    return [
        *((venue.interest(tables), venue.block_calls(tables)) for venue in venues(tables)),
        wanted(tables),
    ]


@pytest.mark.parametrize("made", [hedged_log, ranged_log])
async def test_whatever_was_committed_a_new_watcher_follows_what_the_old_one_did(made) -> None:
    events = made()
    broker = FakeWatchBroker(partitions=1)
    await broker.append(0, [encode(event) for event in events])
    whole = Tables()
    for event in events:
        follow(whole, event)
    shard = Shard(ShardId(0))
    for offset, event in enumerate(events):
        take(shard, Offset(offset), event)
        broker.commit(0, shard.tables.entries(), Offset(offset))
        begun = Follower(ShardId(0))
        await begun.load(FakeEventLog(broker))
        assert followed_by(begun.tables) == followed_by(whole), offset
