"""Which shards a process keeps, and when it must stop."""

import asyncio
from collections.abc import Awaitable

import pytest
from stories import ListLog, Log, story, undisturbed

from pipeline.errors import EventLogError, FencedError, StalledError
from pipeline.units import ShardId
from streams.kafka.checkpoint.fake import FakeBroker, FakeCheckpoint
from streams.work import keepers as keepers_module
from streams.work.keeper import Arrived
from streams.work.keepers import Keepers

LOGS = {ShardId(0): story(1), ShardId(1): story(2)}


class Process:
    """A worker without Faust: what arrives is handed over by the test."""

    def __init__(self, broker: FakeBroker, events: ListLog | None = None, **checkpoint: object) -> None:
        self.errors: list[BaseException] = []
        self.events = events or ListLog(LOGS)
        self.keepers = Keepers(lambda: FakeCheckpoint(broker, **checkpoint), self.events, self.errors.append)

    async def deliver(self, shard: int, log: Log) -> None:
        for offset, payload in enumerate(log):
            await self.keepers.arrive(ShardId(shard), Arrived(offset, payload, lambda: None))

    def cursor(self, shard: int) -> int:
        keeper = self.keepers._keepers.get(ShardId(shard))
        return -1 if keeper is None else keeper.cursor


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch two hundred times as often."""
    for name in ("WATCH_EVERY_S", "UNDELIVERED_S"):
        monkeypatch.setattr(keepers_module, name, getattr(keepers_module, name) / 200)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """End the process soon in case of a stall. A machine that stalls as long looks like a broker that does."""
    monkeypatch.setattr(keepers_module, "STALLED_S", keepers_module.STALLED_S / 200)


async def within_a_while(watch: Awaitable[None]) -> None:
    await asyncio.wait_for(watch, 60)


async def test_every_owned_shard_is_kept_at_once():
    broker = FakeBroker()
    process = Process(broker)
    process.keepers.own(LOGS)
    await asyncio.gather(*(process.deliver(shard, log) for shard, log in LOGS.items()))
    await until(lambda: all(process.cursor(shard) == len(log) - 1 for shard, log in LOGS.items()))
    await process.keepers.release_all()
    for shard, log in LOGS.items():
        assert await FakeCheckpoint(broker).open(shard) == undisturbed(shard, log)[1]
    assert process.errors == []


async def test_a_shard_that_went_to_another_is_not_opened_again():
    broker = FakeBroker()
    process = Process(broker)
    process.keepers.own(LOGS)
    await process.deliver(0, LOGS[0])
    await until(lambda: process.cursor(0) == len(LOGS[0]) - 1)
    await process.keepers.release([ShardId(0), ShardId(1)])
    opened = broker.opened
    await process.deliver(0, LOGS[0])
    await process.deliver(1, LOGS[1])
    await asyncio.sleep(0.01)
    assert broker.opened == opened
    assert process.errors == []


async def test_a_shard_that_comes_back_is_opened_afresh():
    broker = FakeBroker()
    process = Process(broker)
    process.keepers.own([ShardId(0)])
    await process.deliver(0, LOGS[0][:9])
    await until(lambda: process.cursor(0) == 8)
    await process.keepers.release([ShardId(0)])
    elsewhere = Process(broker)
    elsewhere.keepers.own([ShardId(0)])
    await elsewhere.deliver(0, LOGS[0][:20])
    await until(lambda: elsewhere.cursor(0) == 19)
    await elsewhere.keepers.release_all()
    process.keepers.own([ShardId(0)])
    await process.deliver(0, LOGS[0])
    await until(lambda: process.cursor(0) == len(LOGS[0]) - 1)
    await process.keepers.release_all()
    assert await FakeCheckpoint(broker).open(ShardId(0)) == undisturbed(ShardId(0), LOGS[0])[1]
    assert process.errors == elsewhere.errors == []


async def test_whatever_goes_wrong_in_a_shard_is_told():
    broker = FakeBroker()
    process = Process(broker)
    process.keepers.own([ShardId(0)])
    await process.deliver(0, LOGS[0][:1])
    await until(lambda: process.cursor(0) == 0)
    await FakeCheckpoint(broker).open(ShardId(0))
    await process.deliver(0, LOGS[0])
    await until(lambda: process.errors)
    assert [type(error) for error in process.errors] == [FencedError]


async def test_a_task_that_is_broken_off_from_within_is_told():
    """A client's future that was cancelled raises CancelledError though nobody cancels the task."""
    process = Process(FakeBroker())
    process.keepers.own([ShardId(0)])
    await process.deliver(0, LOGS[0][:1])
    await until(lambda: process.cursor(0) == 0)
    (task,) = process.keepers._tasks
    task.cancel()
    await until(lambda: process.errors)
    assert [str(error) for error in process.errors] == ["shard 0: its task was broken off"]


# ------------------------------------------------------------------ the watch
async def test_a_log_of_which_nothing_is_delivered_is_read():
    broker = FakeBroker()
    process = Process(broker)
    process.keepers.own(LOGS)
    watch = asyncio.ensure_future(process.keepers.watch())
    await until(lambda: all(process.cursor(shard) == len(log) - 1 for shard, log in LOGS.items()))
    watch.cancel()
    await process.keepers.release_all()


@pytest.mark.usefixtures("impatient")
async def test_a_delivery_that_dries_up_ends_the_process():
    process = Process(FakeBroker())
    process.keepers.own([ShardId(0)])
    await process.deliver(0, LOGS[0][:5])
    await until(lambda: process.cursor(0) == 4)
    with pytest.raises(StalledError, match=f"shard 0: stands at 4, its log goes to {len(LOGS[0]) - 1}"):
        await within_a_while(process.keepers.watch())
    await process.keepers.release_all()


@pytest.mark.usefixtures("impatient")
async def test_a_commit_that_never_comes_ends_the_process():
    process = Process(FakeBroker(), hang_at=0)
    process.keepers.own([ShardId(0)])
    await process.deliver(0, LOGS[0])
    with pytest.raises(StalledError, match="shard 0: records wait"):
        await within_a_while(process.keepers.watch())


@pytest.mark.usefixtures("impatient")
async def test_nothing_ends_while_nothing_waits():
    process = Process(FakeBroker())
    process.keepers.own(LOGS)
    await asyncio.gather(*(process.deliver(shard, log) for shard, log in LOGS.items()))
    await until(lambda: all(process.cursor(shard) == len(log) - 1 for shard, log in LOGS.items()))
    watch = asyncio.ensure_future(process.keepers.watch())
    await asyncio.sleep(3 * keepers_module.STALLED_S)
    assert not watch.done()
    watch.cancel()
    await process.keepers.release_all()


async def test_a_log_that_cannot_be_read_ends_the_process():
    broker = FakeBroker()
    process = Process(broker, ListLog(LOGS, begins=3))
    process.keepers.own([ShardId(0)])
    watch = asyncio.ensure_future(process.keepers.watch())
    await until(lambda: process.errors)
    assert [type(error) for error in process.errors] == [EventLogError]
    watch.cancel()


class SilentLog(ListLog):
    """A broker that is away, for so many questions."""

    questions = 0

    def __init__(self, away: float) -> None:
        super().__init__(LOGS)
        self.away = away

    async def ends(self, shards):
        self.questions += 1
        if self.questions <= self.away:
            raise EventLogError("no answer")
        return await super().ends(shards)


async def test_a_broker_that_is_away_for_a_moment_is_borne_with():
    process = Process(FakeBroker(), SilentLog(away=2))
    process.keepers.own(LOGS)
    watch = asyncio.ensure_future(process.keepers.watch())
    await until(lambda: all(process.cursor(shard) == len(log) - 1 for shard, log in LOGS.items()))
    watch.cancel()
    await process.keepers.release_all()


@pytest.mark.usefixtures("impatient")
async def test_a_broker_that_stays_away_ends_the_process():
    process = Process(FakeBroker(), SilentLog(away=float("inf")))
    process.keepers.own(LOGS)
    with pytest.raises(EventLogError, match="no answer"):
        await within_a_while(process.keepers.watch())
