"""Foreign Kafka transactions in events.v1: their markers take offsets, and aborted records are never applied."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from builders import started
from forked import Forked
from sender_house import CHAIN_IDS

from pipeline.errors import EventLogError
from pipeline.messages.events import Paused
from pipeline.state.shard import Shard
from streams.devnet.broker import Broker
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import encode
from streams.kafka.event_log import PASSED, KafkaEventLog
from streams.kafka.readers import reading
from streams.kafka.topics import EVENTS, ensure_topics
from streams.verify import load_shard
from streams.watch.follower import Follower
from streams.watch.kafka_log import KafkaLog

pytestmark = pytest.mark.kafka

EVENKEEL = [sys.executable, "-P", "-m", "streams.cli"]
BOUND_S = 60


class Deployment:
    """Topics of one's own on the shared broker, one shard, and a worker."""

    def __init__(self, broker: Broker, folder) -> None:
        self.kafka = KafkaAccess(bootstrap=broker.bootstrap_servers)
        self.chain_id = next(CHAIN_IDS)
        self.topic = EVENTS.on(self.chain_id)
        self.folder = folder
        self.worker: subprocess.Popen[bytes] | None = None
        asyncio.run(ensure_topics(self.kafka, self.chain_id, 1))

    def put(self, *payloads: bytes, transactional: bool | None = None, commits: bool = True) -> int:
        """Append records, plainly or in a foreign transaction, and return the offset of the first."""

        async def put() -> int:
            identity = {"transactional_id": f"stranger-{self.chain_id}"} if transactional else {}
            producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap, **identity)
            await producer.start()
            try:
                if transactional:
                    await producer.begin_transaction()
                placed = [await producer.send_and_wait(self.topic, each, partition=0) for each in payloads]
                if transactional:
                    await (producer.commit_transaction() if commits else producer.abort_transaction())
                return placed[0].offset
            finally:
                await producer.stop()

        return asyncio.run(put())

    def work(self) -> None:
        env = {
            **os.environ,
            "PYTHONPATH": str(Path.cwd()),
            "EVENKEEL_BROKER": self.kafka.bootstrap,
            "EVENKEEL_CHAIN_ID": str(self.chain_id),
            "EVENKEEL_PARTITIONS": "1",
            "EVENKEEL_FOLDER": str(self.folder / "not" / "there" / "yet"),
        }
        with (self.folder / "work.log").open("ab") as told:
            self.worker = Forked([*EVENKEEL, "work"], cwd=self.folder, env=env, stderr=told)

    def log(self) -> str:
        return (self.folder / "work.log").read_text()

    def end(self) -> None:
        if self.worker is not None:
            self.worker.send_signal(signal.SIGTERM)
            self.worker.wait(60)

    def shard(self) -> Shard:
        async def load() -> Shard:
            async with reading(self.kafka) as reader:
                return await load_shard(reader, self.chain_id, 0)

        return asyncio.run(load())

    def until(self, holds) -> None:
        deadline_s = time.monotonic() + BOUND_S
        while not holds():
            assert self.worker is None or self.worker.poll() is None, self.log()
            assert time.monotonic() < deadline_s, self.log()
            time.sleep(0.2)

    def is_paused(self, scope: str) -> bool:
        return f"pause/{scope}" in self.shard().tables.entries()

    def cursor(self) -> int:
        cursor = self.shard().tables.entries().get("cursor")
        return -1 if cursor is None else cursor.offset


@pytest.fixture
def deployment(broker: Broker, tmp_path) -> Iterator[Deployment]:
    made = Deployment(broker, tmp_path)
    yield made
    made.end()


def paused(scope: str) -> bytes:
    return encode(Paused(scope=scope, reason="a test", by="eve"))


def test_a_strangers_transactions_stop_nobody_and_what_they_take_back_is_never_taken_in(deployment) -> None:
    """Committed, aborted, and both at the log's end; the worker's folder is not there either."""
    deployment.put(paused("book/first"))
    deployment.work()
    deployment.until(lambda: deployment.is_paused("book/first"))
    deployment.put(paused("book/aborted"), transactional=True, commits=False)
    deployment.put(paused("book/committed"), transactional=True)
    deployment.put(paused("book/last"))
    deployment.until(lambda: deployment.is_paused("book/last"))
    assert deployment.is_paused("book/committed")
    assert not deployment.is_paused("book/aborted")
    end = deployment.put(paused("book/end"), paused("book/of-it"), transactional=True, commits=False) + 2
    deployment.until(lambda: deployment.cursor() == end)  # the marker's own offset: nobody waits for it
    assert not deployment.is_paused("book/end")
    assert "passes over" in deployment.log()
    deployment.end()
    deployment.worker = None
    deployment.put(paused("book/again"))
    deployment.work()  # and a worker that opens there goes on
    deployment.until(lambda: deployment.is_paused("book/again"))
    assert not deployment.is_paused("book/aborted")


def test_the_faust_consumer_would_show_what_was_taken_back(deployment) -> None:
    """Why the transport is our own: a consumer as Faust makes it reads the aborted record."""

    async def read(level: str) -> list[bytes]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=deployment.kafka.bootstrap, isolation_level=level, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            place = TopicPartition(deployment.topic, 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            found: list[bytes] = []
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [record.value for record in records]
            return found
        finally:
            await consumer.stop()

    deployment.put(paused("book/aborted"), transactional=True, commits=False)
    end = deployment.put(paused("book/plain")) + 1
    assert asyncio.run(read("read_uncommitted")) == [paused("book/aborted"), paused("book/plain")]
    assert asyncio.run(read("read_committed")) == [paused("book/plain")]


def test_the_log_tells_a_marker_from_a_missing_record(deployment) -> None:
    """Both readers of a shard's log, over the same log."""
    deployment.put(paused("book/a"))
    deployment.put(paused("book/b"), paused("book/c"), transactional=True, commits=False)
    deployment.put(paused("book/d"), transactional=True)
    end = deployment.put(paused("book/e")) + 1

    async def between() -> list[tuple[int, object]]:
        log = KafkaEventLog(deployment.kafka, deployment.chain_id)
        return [each async for each in log.between(0, 0, end)]

    expected = [(0, paused("book/a")), (3, PASSED), (4, paused("book/d")), (5, PASSED), (6, paused("book/e"))]
    assert asyncio.run(between()) == expected

    async def followed() -> tuple[int, set[str]]:
        log = KafkaLog(deployment.kafka, deployment.chain_id, timeout_s=10)
        try:
            await log.start()
            follower = Follower(0)
            await follower.load(log)
            await log.follow({0: 0})
            tail = Follower(0)
            for record in await log.read(0, through=end - 1):
                tail.take(record)
            assert tail.next_offset == follower.next_offset
            return follower.next_offset, set(follower.tables.entries())
        finally:
            await log.close()

    assert asyncio.run(followed())[0] == end


def test_a_record_that_is_missing_is_named_with_what_to_do(deployment) -> None:
    deployment.put(*(paused(f"book/{n}") for n in range(4)))

    async def read(first: int, end: int) -> None:
        from streams.kafka.markers import require_no_record

        async with reading(deployment.kafka) as reader:
            place = TopicPartition(deployment.topic, 0)
            await reader.bounds([place])
            await require_no_record(reader._consumer, place, first, end)

    with pytest.raises(EventLogError, match=r"records 1 to 1 are missing from the log.*After a loss"):
        asyncio.run(read(1, 3))


def test_a_toy_story_is_still_whole(deployment) -> None:
    """A whole story with a transaction between any two records folds as without."""
    watcher = started(3)
    for _ in range(3):
        watcher.block()
    for event in watcher.log:
        deployment.put(encode(event))
    deployment.put(paused("book/x"), transactional=True, commits=False)
    deployment.work()
    deployment.until(lambda: deployment.cursor() >= len(watcher.log))
    assert deployment.shard().tables.head == watcher.chain.head
