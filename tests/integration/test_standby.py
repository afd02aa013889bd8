"""A watcher that was replaced waits until the log is silent, for longer each time."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from kafka_logs import append
from structlog.testing import capture_logs

from pipeline.errors import FencedError, SettingsError
from pipeline.units import ChainId
from streams.kafka.topics import EVENTS, ensure_topics
from streams.watch.standby import take_turns
from streams.watch.timing import Timing

pytestmark = pytest.mark.kafka

STAND_BY_S = 1.0
_chain_ids = itertools.count(960_000)


class Watcher:
    """Watches for no time at all: each time it is replaced at once."""

    def __init__(self, then: Callable[[], Coroutine] | None = None) -> None:
        self.began_s: list[float] = []
        self._then = then

    async def __call__(self) -> None:
        self.began_s.append(time.monotonic())
        if self._then is not None and len(self.began_s) > 1:
            await self._then()
        raise FencedError("another watcher writes since")

    @property
    def pauses_s(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.began_s)]


@pytest.fixture
async def chain_id(broker) -> ChainId:
    chain_id = ChainId(next(_chain_ids))
    await ensure_topics(broker.kafka, chain_id, 2)
    return chain_id


@asynccontextmanager
async def taking_turns(
    watcher: Watcher, broker, chain_id: ChainId, *, stand_by_s: float = STAND_BY_S
) -> AsyncIterator[asyncio.Task[None]]:
    timing = Timing(stand_by_s=stand_by_s)
    task = asyncio.create_task(take_turns(watcher, broker.kafka, chain_id, timing))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_stands_by_while_anything_is_written_and_then_takes_over(broker, chain_id):
    watcher, stand_by_s = (
        Watcher(asyncio.Event().wait),
        4 * STAND_BY_S,
    )  # no pause of a busy machine is as long
    async with taking_turns(watcher, broker, chain_id, stand_by_s=stand_by_s), asyncio.timeout(120):
        ends_s = time.monotonic() + stand_by_s + 1
        while time.monotonic() < ends_s:
            written_s = time.monotonic()
            await append(broker.bootstrap_servers, EVENTS.on(chain_id), 1, [b"a record"])
            await asyncio.sleep(0.2)
        assert len(watcher.began_s) == 1
        while len(watcher.began_s) == 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert watcher.began_s[1] - written_s >= stand_by_s


async def test_each_time_it_waits_for_twice_as_long(broker, chain_id):
    watcher = Watcher()
    with capture_logs() as lines:
        async with taking_turns(watcher, broker, chain_id), asyncio.timeout(120):
            while len(watcher.began_s) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    told_s = [line["until_silent_s"] for line in lines if line["event"] == "stands by"]
    assert told_s[:3] == [STAND_BY_S, 2 * STAND_BY_S, 4 * STAND_BY_S]
    assert all(pause_s >= silent_s for pause_s, silent_s in zip(watcher.pauses_s, told_s, strict=False))


async def test_what_else_ends_it_ends_it(broker, chain_id):
    async def other_chain() -> None:
        raise SettingsError("the node follows another chain")

    async with taking_turns(Watcher(other_chain), broker, chain_id) as task:
        with pytest.raises(SettingsError):
            await asyncio.wait_for(task, 90)


async def test_of_a_broker_that_is_away_nobody_tells_that_it_is_silent(own_broker):
    chain_id = ChainId(next(_chain_ids))
    await ensure_topics(own_broker.kafka, chain_id, 1)
    watcher = Watcher(asyncio.Event().wait)
    async with taking_turns(watcher, own_broker, chain_id):
        own_broker.pause()
        try:
            await asyncio.sleep(4 * STAND_BY_S)
            assert len(watcher.began_s) == 1
        finally:
            own_broker.resume()
        async with asyncio.timeout(60):
            while len(watcher.began_s) == 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
