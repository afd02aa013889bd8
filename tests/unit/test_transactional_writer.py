"""A transaction begins a moment after the former one, for the broker still marks that one, and ends behind its last send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipeline.units import ChainId, ShardId
from streams.kafka.topics import DECISIONS, STATE, Topic, TopicRecord
from streams.kafka.transactions import _MARKED_S, TransactionalWriter

CHAIN = ChainId(1)
BATCH_RECORDS = 2


class Batch:
    """Takes a few records, as one of aiokafka's takes some bytes."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, timestamp: None, key: bytes, value: bytes) -> object | None:
        assert (timestamp, key) == (None, b"k")
        if len(self.values) == BATCH_RECORDS:
            return None
        self.values.append(value)
        return object()


class Producer:
    """Notes when transactions begin and end, and confirms what is sent a little later."""

    def __init__(self) -> None:
        self.begun_s: list[float] = []
        self.ended_s: list[float] = []
        self.sent: list[tuple[str, int, list[bytes]]] = []
        self.confirmed = 0
        self.confirmed_at_end = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        clock = asyncio.get_running_loop().time
        self.begun_s.append(clock())
        yield
        self.confirmed_at_end = self.confirmed
        self.ended_s.append(clock())

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Task[None]":
        self.sent.append((topic, partition, batch.values))
        return asyncio.create_task(self._confirm())

    async def _confirm(self) -> None:
        await asyncio.sleep(0)
        self.confirmed += 1


def records(topic: Topic, count: int) -> list[TopicRecord]:
    return [TopicRecord(topic.name, b"k", b"%d" % each, ShardId(3)) for each in range(count)]


async def test_a_transaction_waits_until_the_former_one_is_marked() -> None:
    producer: Any = Producer()
    writer = TransactionalWriter(producer, CHAIN)
    for _ in range(3):
        await writer.write(records(STATE, 1))
    pauses_s = [
        begun_s - ended_s for ended_s, begun_s in zip(producer.ended_s, producer.begun_s[1:], strict=False)
    ]
    assert len(pauses_s) == 2
    assert min(pauses_s) > 0.9 * _MARKED_S


async def test_every_batch_is_confirmed_before_the_transaction_ends() -> None:
    producer: Any = Producer()
    await TransactionalWriter(producer, CHAIN).write(records(STATE, 5))
    assert producer.confirmed_at_end == len(producer.sent) == 3


async def test_records_of_a_partition_stay_in_order_and_second_batches_come_last() -> None:
    producer: Any = Producer()
    await TransactionalWriter(producer, CHAIN).write([*records(STATE, 5), *records(DECISIONS, 3)])
    state, decisions = STATE.on(CHAIN), DECISIONS.on(CHAIN)
    assert producer.sent == [
        (state, 3, [b"0", b"1"]),
        (decisions, 3, [b"0", b"1"]),
        (state, 3, [b"2", b"3"]),
        (decisions, 3, [b"2"]),
        (state, 3, [b"4"]),
    ]
