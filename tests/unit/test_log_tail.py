"""A reader that waits for a record is told at once, with the reason, when the log can no longer be followed."""

import asyncio

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from pipeline.errors import AccessError
from pipeline.units import Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.watch.kafka_log import _Tail


class RefusedConsumer:
    """Waits as a consumer does, and is refused then."""

    async def getmany(self, **_: object) -> None:
        await asyncio.sleep(0.01)
        raise TopicAuthorizationFailedError("events")


async def test_a_refusal_reaches_those_who_wait_already():
    tail = _Tail(KafkaAccess("127.0.0.1:1"), "events", {ShardId(0): Offset(0)})
    tail._consumer = RefusedConsumer()
    tail._task = asyncio.create_task(tail._pump())
    with pytest.raises(AccessError, match="events"):
        async with asyncio.timeout(5):
            await tail.take(ShardId(0), Offset(0))
    with pytest.raises(AccessError, match="events"):
        await tail.take(ShardId(0), Offset(0))
