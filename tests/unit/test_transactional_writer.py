"""A transaction begins a moment after the former one, for the broker still marks that one, and ends behind its last send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipeline.units import ChainId, ShardId
from streams.kafka.topics import STATE, TopicRecord
from streams.kafka.transactions import _MARKED_S, TransactionalWriter

RECORD = TopicRecord(STATE.name, b"k", b"v", ShardId(0))


class Producer:
    """Notes when transactions begin and end, and confirms what is sent a little later."""

    def __init__(self) -> None:
        self.begun_s: list[float] = []
        self.ended_s: list[float] = []
        self.confirmed = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        clock = asyncio.get_running_loop().time
        self.begun_s.append(clock())
        yield
        self.confirmed_at_end = self.confirmed
        self.ended_s.append(clock())

    async def send(self, topic: str, **_: Any) -> "asyncio.Task[None]":
        assert topic == STATE.on(ChainId(1))
        return asyncio.create_task(self._confirm())

    async def _confirm(self) -> None:
        await asyncio.sleep(0)
        self.confirmed += 1


async def test_a_transaction_waits_until_the_former_one_is_marked() -> None:
    producer: Any = Producer()
    writer = TransactionalWriter(producer, ChainId(1))
    for _ in range(3):
        await writer.write([RECORD])
    pauses_s = [
        begun_s - ended_s for ended_s, begun_s in zip(producer.ended_s, producer.begun_s[1:], strict=False)
    ]
    assert len(pauses_s) == 2
    assert min(pauses_s) > 0.9 * _MARKED_S


async def test_every_send_is_confirmed_before_the_transaction_ends() -> None:
    producer: Any = Producer()
    await TransactionalWriter(producer, ChainId(1)).write([RECORD] * 3)
    assert producer.confirmed_at_end == 3
