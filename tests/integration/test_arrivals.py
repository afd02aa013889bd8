"""Records that do not belong in the log, processed by a real worker on a real broker."""

import asyncio
import itertools
import os
import random
import subprocess
import sys

import pytest
from forgery import KINDS, malformed_records
from forked import Forked
from kafka_logs import append, entries_of, read_committed, until_marked
from noise import noisy, story
from stories import SAID_ON, undisturbed

from pipeline.messages.entries import Cursor
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import encode
from streams.kafka.topics import DEAD_LETTERS, EVENTS, STATE, TOPICS, ensure_topics

pytestmark = pytest.mark.kafka

SHARD = ShardId(0)
_chain_ids = itertools.count(950_000)


def noise_of_all_kinds(seed: int) -> tuple[list[bytes | None], int]:
    """Every kind of strange record some times, and bytes that are none; and how many of those."""
    dice = random.Random(seed)
    strange = [
        (dice.randrange(10**6), kind, dice.randrange(10**6)) for kind in sorted(KINDS) for _ in range(4)
    ]
    payloads: list[bytes | None] = [encode(event) for event in noisy(story(seed).log, strange)]
    garbage = malformed_records(dice, payloads)
    for each in garbage:
        payloads.insert(dice.randrange(len(payloads) + 1), each)
    return payloads, len(garbage)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_worker_takes_noise_as_an_undisturbed_fold_does(broker, tmp_path, seed):
    server, chain_id = broker.bootstrap_servers, ChainId(next(_chain_ids))
    await ensure_topics(KafkaAccess(server), chain_id, 1)
    payloads, malformed = noise_of_all_kinds(seed)
    outputs, entries = undisturbed(SHARD, payloads)
    worker = start(server, chain_id, tmp_path)
    try:
        for at in range(0, len(payloads), 40):
            await append(server, EVENTS.on(chain_id), SHARD, payloads[at : at + 40])
        async with asyncio.timeout(60):
            while (await kept(server, chain_id)).get("cursor") != Cursor(offset=Offset(len(payloads) - 1)):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert worker.poll() is None, "it was started once"
    finally:
        worker.kill()
        worker.wait()
    await until_marked(server, SHARD, *(TOPICS[topic].on(chain_id) for topic in SAID_ON))
    said = {topic: await read_committed(server, TOPICS[topic].on(chain_id), SHARD) for topic in SAID_ON}
    assert {topic: records for topic, records in said.items() if records} == outputs
    assert len(said[DEAD_LETTERS.name]) == malformed
    assert await kept(server, chain_id) == entries
    calm = undisturbed(SHARD, [encode(event) for event in story(seed).log])[1]
    assert {k: v for k, v in entries.items() if k not in {"cursor", "set-aside"}} == {
        k: v for k, v in calm.items() if k not in {"cursor", "set-aside"}
    }


async def kept(server: str, chain_id: ChainId) -> dict[str, object]:
    return dict(entries_of(await read_committed(server, STATE.on(chain_id), SHARD)))


def start(server: str, chain_id: ChainId, folder) -> "subprocess.Popen[bytes]":
    env = {
        **os.environ,
        "EVENKEEL_BROKER": server,
        "EVENKEEL_CHAIN_ID": str(chain_id),
        "EVENKEEL_PARTITIONS": "1",
        "EVENKEEL_FOLDER": str(folder),
        "EVENKEEL_INSTANCE": "w1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with (folder / "work.log").open("ab") as log:
        return Forked([sys.executable, "-m", "streams.cli", "work"], env=env, stdout=log, stderr=log)
