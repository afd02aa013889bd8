"""A shard whose committed state or log is partly lost: worker and watcher say so and stop."""

import asyncio
import itertools
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from forked import Forked
from kafka_logs import append, delete_before_the_end, entries_of, read_committed, recreate
from stories import story

from pipeline.errors import InfrastructureError, StateLostError
from pipeline.messages.entries import Cursor
from pipeline.units import ChainId, Offset, ShardId
from streams.devnet.broker import Broker
from streams.kafka.checkpoint.fake import FakeBroker, FakeCheckpoint
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.readers import reading
from streams.kafka.topics import DECISIONS, EVENTS, STATE, TopicRecord, ensure_topics
from streams.watch.kafka_log import KafkaLog

SHARD = ShardId(0)
SAID = TopicRecord(DECISIONS.name, b"book/alpha", b"{}", SHARD)
HALTED = 65

_chain_ids = itertools.count(985_000)


def cursor(offset: int) -> dict[str, Cursor]:
    return {"cursor": Cursor(offset=Offset(offset))}


@pytest.fixture
async def chain_id(broker: Broker) -> ChainId:
    chain_id = ChainId(next(_chain_ids))
    await ensure_topics(broker.kafka, chain_id, 1)
    return chain_id


@pytest.fixture
async def checkpoint(broker: Broker, chain_id: ChainId) -> AsyncIterator[Callable[[], KafkaCheckpoint]]:
    """Make checkpoints that are closed at the end."""
    made: list[KafkaCheckpoint] = []

    def make() -> KafkaCheckpoint:
        made.append(KafkaCheckpoint(broker.kafka, chain_id, instance="test"))
        return made[-1]

    yield make
    for each in made:
        await each.close()


# ------------------------------------------------------------------ nothing is left of it
async def test_in_memory_a_shard_that_has_spoken_must_have_a_state():
    memory = FakeBroker()
    first = FakeCheckpoint(memory)
    assert await first.open(SHARD) == {}
    await first.commit([SAID], cursor(1))
    memory.committed[STATE.name, SHARD].clear()
    with pytest.raises(StateLostError, match="its state was lost"):
        await FakeCheckpoint(memory).open(SHARD)


@pytest.mark.kafka
async def test_a_shard_that_has_spoken_must_have_a_state(broker, chain_id, checkpoint):
    first = checkpoint()
    assert await first.open(SHARD) == {}
    await first.commit([SAID], cursor(1))
    await first.close()
    await recreate(broker.bootstrap_servers, STATE.on(chain_id), 1, STATE.settings)
    with pytest.raises(
        StateLostError, match=r"shard 0: no state is kept of it, yet it has said .*decisions.v1\[0\]@0"
    ):
        await checkpoint().open(SHARD)


@pytest.mark.kafka
async def test_what_a_crash_left_open_is_nothing_said(chain_id, checkpoint):
    first = checkpoint()
    await first.open(SHARD)
    producer = first._producer
    assert producer is not None
    await producer.begin_transaction()
    await producer.send_and_wait(DECISIONS.on(chain_id), key=b"book/alpha", value=b"{}", partition=SHARD)
    assert await checkpoint().open(SHARD) == {}


# ------------------------------------------------------------------ its beginning was deleted
@pytest.mark.kafka
async def test_a_truncated_state_is_refused_by_all_who_read_it(broker, chain_id, checkpoint):
    first = checkpoint()
    await first.open(SHARD)
    await first.commit([SAID], cursor(1))
    await delete_before_the_end(broker.bootstrap_servers, STATE.on(chain_id), SHARD, STATE.settings)
    await first.commit([SAID], cursor(2))
    await first.close()
    with pytest.raises(StateLostError, match=rf"{STATE.on(chain_id)}\[0\] begins at [1-9]"):
        await checkpoint().open(SHARD)
    log = KafkaLog(broker.kafka, chain_id, timeout_s=30)
    await log.start()
    try:
        with pytest.raises(InfrastructureError, match="begins at"):
            await log.state(SHARD)
    finally:
        await log.close()


@pytest.mark.kafka
async def test_a_worker_says_so_and_stops(broker, chain_id, tmp_path):
    server, log = broker.bootstrap_servers, await worked_off(broker, chain_id, tmp_path)
    await delete_before_the_end(server, STATE.on(chain_id), SHARD, STATE.settings)
    said = await read_committed(server, DECISIONS.on(chain_id), SHARD)
    await append(server, EVENTS.on(chain_id), SHARD, log[:1])
    assert await ended("work", broker, chain_id, tmp_path) == HALTED
    assert "StateLostError: shard 0: " in (tmp_path / "work.log").read_text()
    assert await read_committed(server, DECISIONS.on(chain_id), SHARD) == said


@pytest.mark.kafka
async def test_a_watcher_whose_state_was_truncated_says_so_and_stops(broker, chain_id, tmp_path):
    await worked_off(broker, chain_id, tmp_path)
    await delete_before_the_end(broker.bootstrap_servers, STATE.on(chain_id), SHARD, STATE.settings)
    await stops_without_a_word_to_the_log(
        broker, chain_id, tmp_path, rf"{STATE.on(chain_id)}\[0\] begins at [1-9]"
    )


# ------------------------------------------------------------------ records between the cursor and the log are gone
@pytest.mark.kafka
async def test_a_worker_whose_log_was_truncated_says_so_and_stops(broker, chain_id, tmp_path):
    server, log = broker.bootstrap_servers, await worked_off(broker, chain_id, tmp_path)
    await append(server, EVENTS.on(chain_id), SHARD, log[:3])
    await delete_before_the_end(server, EVENTS.on(chain_id), SHARD, EVENTS.settings)
    await append(server, EVENTS.on(chain_id), SHARD, log[:1])
    before = await kept(server, chain_id)
    assert await ended("work", broker, chain_id, tmp_path) == HALTED
    assert "its retention is too short" in (tmp_path / "work.log").read_text()
    assert await kept(server, chain_id) == before


@pytest.mark.kafka
async def test_a_watcher_whose_log_was_truncated_says_so_and_stops(broker, chain_id, tmp_path):
    server, log = broker.bootstrap_servers, await worked_off(broker, chain_id, tmp_path)
    await append(server, EVENTS.on(chain_id), SHARD, log[:3])
    await delete_before_the_end(server, EVENTS.on(chain_id), SHARD, EVENTS.settings)
    await stops_without_a_word_to_the_log(broker, chain_id, tmp_path, "records between are lost")


async def worked_off(broker: Broker, chain_id: ChainId, folder: Path) -> list[bytes]:
    """Let a worker take a whole story in and end in order."""
    server, log = broker.bootstrap_servers, story(1)
    await append(server, EVENTS.on(chain_id), SHARD, log)
    worker = start("work", broker, chain_id, folder)
    async with asyncio.timeout(60):
        while (await kept(server, chain_id)).get("cursor") != Cursor(offset=Offset(len(log) - 1)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 30) == 0
    return log


async def stops_without_a_word_to_the_log(broker: Broker, chain_id: ChainId, folder: Path, says: str) -> None:
    """Run a watcher, whose node does not matter: it must not come to ask it."""
    async with reading(broker.kafka) as reader:
        places = await reader.shards(EVENTS.on(chain_id))
        before = await reader.bounds(places)
        assert await ended("watch", broker, chain_id, folder) == HALTED
        assert await reader.bounds(places) == before
    assert re.search(says, (folder / "watch.log").read_text())


async def ended(program: str, broker: Broker, chain_id: ChainId, folder: Path) -> int:
    process = start(program, broker, chain_id, folder)
    try:
        return await asyncio.to_thread(process.wait, 60)
    finally:
        process.kill()


async def kept(server: str, chain_id: ChainId) -> dict[str, object]:
    return dict(entries_of(await read_committed(server, STATE.on(chain_id), SHARD)))


def start(program: str, broker: Broker, chain_id: ChainId, folder: Path) -> "subprocess.Popen[bytes]":
    env = {
        **os.environ,
        "EVENKEEL_BROKER": broker.bootstrap_servers,
        "EVENKEEL_CHAIN_ID": str(chain_id),
        "EVENKEEL_PARTITIONS": "1",
        "EVENKEEL_RPC_URL": "http://127.0.0.1:1",
        "EVENKEEL_FOLDER": str(folder),
        "EVENKEEL_INSTANCE": "w1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with (folder / f"{program}.log").open("ab") as log:
        return Forked([sys.executable, "-m", "streams.cli", program], env=env, stdout=log, stderr=log)
