"""A real worker process on a real broker: its outputs and state equal a plain fold of the log."""

import asyncio
import itertools
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from forked import Forked
from kafka_logs import append, entries_of, read_committed, recreate, until_marked
from stories import SAID_ON, Log, Said, story, undisturbed

from pipeline.units import ChainId, ShardId
from streams.devnet.broker import Broker
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import EVENTS, POOL_STATES, STATE, TOPICS, Topic, ensure_topics

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
EXIT_FAILED = 70

_chain_ids = itertools.count(930_000)

_RUN = """
import logging, sys
from pathlib import Path
from streams.kafka.access import KafkaAccess
from streams.work.app import run_worker
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
run_worker(KafkaAccess(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], Path(sys.argv[5]))
"""


_WITHOUT_PREFLIGHT = """
import streams.work.app
async def nothing(*_): ...
streams.work.app.check_topics = nothing
"""


class House:
    """One deployment on the shared broker, and the workers that a test starts on it."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.chain_id = ChainId(next(_chain_ids))
        self.workers: list[subprocess.Popen[bytes]] = []

    async def append(self, shard: int, payloads: Sequence[bytes | None]) -> None:
        await append(self.bootstrap, EVENTS.on(self.chain_id), shard, payloads)

    def start(
        self, instance: str = "w1", partitions: int = PARTITIONS, *, preflight: bool = True
    ) -> subprocess.Popen[bytes]:
        args = [self.bootstrap, str(self.chain_id), str(partitions), instance, str(self.folder / instance)]
        run = _RUN if preflight else _WITHOUT_PREFLIGHT + _RUN
        with (self.folder / f"{instance}.log").open("ab") as log:
            worker = Forked([sys.executable, "-c", run, *args], cwd=ROOT, stderr=log, stdout=log)
        self.workers.append(worker)
        return worker

    async def recreate(self, topic: Topic, settings: Mapping[str, str]) -> None:
        await recreate(self.bootstrap, topic.on(self.chain_id), PARTITIONS, settings)

    async def move_group_to_the_end(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=f"evenkeel-{self.chain_id}.work",
            enable_auto_commit=False,
        )
        await consumer.start()
        partitions = [TopicPartition(EVENTS.on(self.chain_id), shard) for shard in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.commit(await consumer.end_offsets(partitions))
        await consumer.stop()

    async def supervise(self) -> None:
        while True:
            worker = self.start()
            while worker.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()

    def log(self, instance: str = "w1") -> str:
        return (self.folder / f"{instance}.log").read_text()

    async def said(self, shard: int) -> Said:
        topics = {topic: await self.read(topic, shard) for topic in SAID_ON}
        return {topic: records for topic, records in topics.items() if records}

    async def kept(self, shard: int) -> dict[str, object]:
        return entries_of(await self.read(STATE.name, shard))

    async def read(self, topic: str, shard: int) -> list[tuple[bytes, bytes | None]]:
        return await read_committed(self.bootstrap, TOPICS[topic].on(self.chain_id), shard)

    async def until_applied(self, shard: int, offset: int, within_s: float = 120) -> None:
        async with asyncio.timeout(within_s):
            while (cursor := (await self.kept(shard)).get("cursor")) is None or cursor.offset < offset:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def assert_as_undisturbed(self, shard: int, log: Log) -> None:
        outputs, entries = undisturbed(ShardId(shard), log)
        await until_marked(self.bootstrap, shard, *(TOPICS[name].on(self.chain_id) for name in SAID_ON))
        assert await self.said(shard) == outputs
        assert await self.kept(shard) == entries


@pytest.fixture
async def house(broker: Broker, tmp_path: Path) -> AsyncIterator[House]:
    house = House(broker.bootstrap_servers, tmp_path)
    await ensure_topics(KafkaAccess(house.bootstrap), house.chain_id, PARTITIONS)
    yield house
    house.end()


async def test_a_worker_says_and_keeps_what_a_plain_fold_does(house):
    one, other = story(1), story(2)
    await house.append(0, one)
    house.start()
    await house.append(1, other)
    await house.until_applied(0, len(one) - 1)
    await house.until_applied(1, len(other) - 1)
    await house.assert_as_undisturbed(0, one)
    await house.assert_as_undisturbed(1, other)


async def test_it_ends_in_order_when_told_to(house):
    await house.append(0, story(1))
    worker = house.start()
    await house.until_applied(0, len(story(1)) - 1)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 90) == 0, house.log()
    assert not re.search("left as it is|left behind", house.log())
    await house.assert_as_undisturbed(0, story(1))


# ------------------------------------------------------------------ refused at start
@pytest.mark.parametrize("wrong", ["partitions", "missing"])
async def test_it_does_not_start_on_wrong_topics(house, wrong):
    if wrong == "partitions":
        says = f"{EVENTS.on(house.chain_id)}: partitions is 2, must be 3"
        worker = house.start(partitions=3)
    else:
        house.chain_id = ChainId(next(_chain_ids))
        says = f"missing topics: {EVENTS.on(house.chain_id)}"
        worker = house.start()
    assert await asyncio.to_thread(worker.wait, 40) == 1
    assert says in house.log()


# ------------------------------------------------------------------ killed, frozen, refused
async def test_it_is_killed_again_and_again_and_nothing_is_lost_or_doubled(house):
    chance = random.Random(5)
    logs = {0: story(3, blocks=220), 1: story(4, blocks=220)}
    permits = asyncio.Semaphore(0)  # each life is given its share, so that the last is never reached too soon
    writing = asyncio.ensure_future(write_slowly(house, logs, pieces=110, permits=permits))
    applied = -1
    for _ in range(4):
        for _ in range(26):
            permits.release()
        worker = house.start()
        await house.until_applied(0, applied + 5)
        await asyncio.sleep(chance.uniform(0, 0.4))
        worker.kill()
        worker.wait()
        applied = (await house.kept(0))["cursor"].offset
        assert applied < len(logs[0]) - 1, "killed only after its work was done"
    for _ in range(110):
        permits.release()
    house.start()
    await writing
    for shard, log in logs.items():
        await house.until_applied(shard, len(log) - 1)
        await house.assert_as_undisturbed(shard, log)


async def write_slowly(
    house: House, logs: dict[int, Log], pieces: int, permits: asyncio.Semaphore | None = None
) -> None:
    """Append to every shard bit by bit, so that something waits whenever a worker dies."""
    for piece in range(pieces):
        if permits is not None:
            await permits.acquire()
        for shard, log in logs.items():
            await house.append(shard, log[piece * len(log) // pieces : (piece + 1) * len(log) // pieces])
        await asyncio.sleep(0.1)


async def test_a_frozen_twin_is_fenced_when_it_wakes_up(house):
    logs = {0: story(3, blocks=120)}
    writing = asyncio.ensure_future(write_slowly(house, logs, pieces=60))
    twin = house.start()
    await house.until_applied(0, 10)
    twin.send_signal(signal.SIGSTOP)
    owner = house.start()
    await writing
    await house.until_applied(0, len(logs[0]) - 1)
    twin.send_signal(signal.SIGCONT)
    with suppress(subprocess.TimeoutExpired):  # told by the group before it could try, it lets go and lives
        assert await asyncio.to_thread(twin.wait, 30) == EXIT_FAILED, house.log()
    assert owner.poll() is None
    await house.assert_as_undisturbed(0, logs[0])


async def test_a_broker_that_is_killed_loses_nothing(own_broker, tmp_path):
    house = House(own_broker.bootstrap_servers, tmp_path)
    await ensure_topics(KafkaAccess(house.bootstrap), house.chain_id, PARTITIONS)
    log = story(3, blocks=120)
    await house.append(0, log[:40])
    supervision = asyncio.ensure_future(house.supervise())
    try:
        await house.until_applied(0, 20)
        own_broker.kill()
        await asyncio.sleep(3)
        own_broker.start(within_s=180)
        await house.append(0, log[40:])
        await house.until_applied(0, len(log) - 1)
        await house.assert_as_undisturbed(0, log)
        supervision.cancel()
        assert {worker.poll() for worker in house.workers} <= {None, 1, EXIT_FAILED}
    finally:
        house.end()


async def test_a_topic_that_refuses_a_record_leaves_everything_as_it_was(house):
    log = story(1)
    await house.recreate(POOL_STATES, {**POOL_STATES.settings, "max.message.bytes": "300"})
    await house.append(0, log)
    worker = house.start(preflight=False)
    assert await asyncio.to_thread(worker.wait, 40) == EXIT_FAILED
    assert "CommitError: commit of shard 0 failed: MessageSizeTooLargeError" in house.log()
    assert await house.said(0) == {}
    assert await house.kept(0) == {}
    await house.recreate(POOL_STATES, POOL_STATES.settings)
    house.start()
    await house.until_applied(0, len(log) - 1)
    await house.assert_as_undisturbed(0, log)


# ------------------------------------------------------------------ not delivered
async def test_it_reads_what_its_group_has_passed_over(house):
    """The group's offset is a hint: here it is at the end of logs that no shard has applied."""
    log = story(1)
    await house.append(0, log)
    await house.append(1, log)
    await house.move_group_to_the_end()
    house.start()
    await asyncio.sleep(4)
    await house.append(0, log[:1])
    await house.until_applied(0, len(log))
    await house.assert_as_undisturbed(0, (*log, log[0]))
    await house.until_applied(1, len(log) - 1)
    await house.assert_as_undisturbed(1, log)
