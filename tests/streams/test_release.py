"""Shards are revoked from a worker at any moment, and always released in bounded time."""

import asyncio

import pytest
from stories import ListLog, story

import streams.work.app
import streams.work.keepers
from pipeline.errors import StalledError
from pipeline.units import ShardId
from streams.kafka.checkpoint.fake import FakeBroker, FakeCheckpoint
from streams.work.app import watch_rebalances
from streams.work.keeper import Arrived, ShardKeeper
from streams.work.keepers import Keepers

SHARD = ShardId(0)
LOG = story(1)


class SlowCheckpoint(FakeCheckpoint):
    """Opens when it is let."""

    def __init__(self, broker: FakeBroker) -> None:
        super().__init__(broker)
        self.begun, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def open(self, shard):
        self.begun.set()
        await self.may_go_on.wait()
        return await super().open(shard)


def arrived(offset: int) -> Arrived:
    return Arrived(offset, LOG[offset], lambda: None)


@pytest.mark.parametrize("waiting", [1, 5])
async def test_a_keeper_that_is_stopped_while_it_opens_ends(waiting):
    broker = FakeBroker()
    checkpoint = SlowCheckpoint(broker)
    keeper = ShardKeeper(SHARD, checkpoint, ListLog({SHARD: LOG}))
    task = asyncio.ensure_future(keeper.keep())
    for offset in range(waiting):
        await keeper.arrive(arrived(offset))
    await checkpoint.begun.wait()
    stopping = asyncio.ensure_future(keeper.stop())
    await asyncio.sleep(0)
    checkpoint.may_go_on.set()
    async with asyncio.timeout(5):
        await stopping
        await task
    assert keeper.cursor == waiting - 1


async def test_shards_that_cannot_be_let_go_end_the_process(monkeypatch):
    monkeypatch.setattr(streams.work.keepers, "RELEASE_S", 0.05)
    failures: list[BaseException] = []
    checkpoint = SlowCheckpoint(FakeBroker())
    keepers = Keepers(lambda: checkpoint, ListLog({SHARD: LOG}), failures.append)
    keepers.own([SHARD])
    await keepers.arrive(SHARD, arrived(0))
    await checkpoint.begun.wait()
    with pytest.raises(StalledError, match=r"shards \[0\] cannot be let go"):
        await keepers.release([SHARD])
    checkpoint.may_go_on.set()
    await asyncio.gather(*keepers._tasks)
    assert failures == []


class Group:
    """A group whose rebalances the test begins and ends, and the clock by which they last."""

    def __init__(self) -> None:
        self.rebalancing = True
        self.now_s = 0.0
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.now_s

    async def looked_at(self) -> None:
        """Wait until the watch has looked twice: the second look began after this call."""
        until = self.looks + 2
        async with asyncio.timeout(60):
            while self.looks < until:  # noqa: ASYNC110
                await asyncio.sleep(0)


@pytest.fixture
def group(monkeypatch) -> Group:
    group = Group()
    monkeypatch.setattr(streams.work.app, "WATCH_EVERY_S", 0)
    monkeypatch.setattr(streams.work.app, "time", group)
    return group


async def test_a_rebalance_without_end_ends_the_process(group):
    watching = asyncio.ensure_future(watch_rebalances(group))
    await group.looked_at()
    group.now_s += streams.work.app._REBALANCE_S
    await group.looked_at()
    assert not watching.done()
    group.now_s += 1
    with pytest.raises(StalledError, match="the group has been rebalanced for 91 s"):
        async with asyncio.timeout(60):
            await watching


async def test_rebalances_that_end_are_no_reason_to(group):
    watching = asyncio.ensure_future(watch_rebalances(group))
    for _ in range(5):
        group.rebalancing = True
        await group.looked_at()
        group.now_s += streams.work.app._REBALANCE_S * 0.6
        await group.looked_at()
        group.rebalancing = False
        await group.looked_at()
    assert not watching.done()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
