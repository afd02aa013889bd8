"""Heartbeats on a real broker: their content, and that a broker that refuses them stops no process."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator

import pytest
from kafka_logs import append
from listener import HOST, listening
from structlog.testing import capture_logs

from pipeline.messages.processes import ProcessSeen
from pipeline.units import BlockNumber, ChainId, ShardId
from streams import heartbeat
from streams.heartbeat import Progress, beating
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading
from streams.kafka.topics import PROCESSES, ensure_topics
from streams.processes import Processes, ProcessNow, processes_now

pytestmark = pytest.mark.kafka

BEAT_S = 0.2
_chain_ids = itertools.count(981_000)


@pytest.fixture
async def chain_id(broker) -> ChainId:
    made = ChainId(next(_chain_ids))
    await ensure_topics(broker.kafka, made, 2)
    return made


async def now(broker, chain_id: ChainId) -> Processes:
    async with reading(broker.kafka) as reader:
        return await processes_now(reader, chain_id)


async def until_seen(broker, chain_id: ChainId, holds) -> ProcessNow:
    async with asyncio.timeout(60):
        while True:
            found = (await now(broker, chain_id)).processes
            if found and holds(found[0].seen):
                return found[0]
            await asyncio.sleep(0.05)


async def test_it_tells_how_far_it_is_and_what_went_wrong_last_and_says_when_it_ends(broker, chain_id):
    heads = {ShardId(1): BlockNumber(7)}
    async with beating(
        broker.kafka,
        chain_id,
        "watch",
        "here",
        progress=lambda: Progress(heads, BlockNumber(9)),
        beat_s=BEAT_S,
    ):
        first = (await until_seen(broker, chain_id, lambda _: True)).seen
        assert [(head.shard, head.block) for head in first.heads] == [(1, 7)]
        assert (first.role, first.instance, first.newest_block) == ("watch", "here", 9)
        assert first.last_error is None
        heads[ShardId(0)] = BlockNumber(8)
        logging.getLogger("somewhere").warning(
            "the node %s fails", "at https://x.example/v2/aB3dE6gH9jK2mN5p"
        )
        newest = await until_seen(broker, chain_id, lambda seen: seen.last_error is not None)
        assert newest.seen.last_error == "the node at https://x.example/v2/*** fails"
        assert [(head.shard, head.block) for head in newest.seen.heads] == [(0, 8), (1, 7)]
        assert newest.state == "well"
    assert (await now(broker, chain_id)).processes == ()


async def test_one_that_ends_by_an_error_leaves_it_behind(broker, chain_id):
    async def work() -> None:
        async with beating(broker.kafka, chain_id, "rehearse", "here", beat_s=BEAT_S):
            await until_seen(broker, chain_id, lambda _: True)
            raise ValueError("it is broken")

    with pytest.raises(ValueError, match="broken"):
        await work()
    (left,) = (await now(broker, chain_id)).processes
    assert left.seen.last_error == "it ended: it is broken"


async def test_processes_of_one_instance_and_two_roles_or_signers_have_a_record_each(broker, chain_id):
    a, b = "0x" + "a1" * 20, "0x" + "b2" * 20
    async with (
        beating(broker.kafka, chain_id, "work", "here"),
        beating(broker.kafka, chain_id, "submit", "here", signer=a),
        beating(broker.kafka, chain_id, "submit", "here", signer=b),
        asyncio.timeout(60),
    ):
        while len(found := (await now(broker, chain_id)).processes) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [each.seen.name for each in found] == [f"submit/here/{a}", f"submit/here/{b}", "work/here"]


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side gives up


@pytest.fixture
async def nowhere() -> AsyncIterator[KafkaAccess]:
    """A broker that takes a connection and never answers."""
    async with listening(hang) as port:
        yield KafkaAccess(f"{HOST}:{port}")


@pytest.mark.parametrize("lacks", ["broker", "answer", "topic"])
async def test_what_cannot_be_written_is_a_line_and_holds_nothing_up(broker, nowhere, lacks, monkeypatch):
    if (
        lacks != "topic"
    ):  # a broker that does answer may take longer, and whoever breaks that off leaves a connection open
        monkeypatch.setattr(heartbeat, "_CONNECT_S", 0.5)
    monkeypatch.setattr(heartbeat, "SAY_EVERY_S", 2.0)
    kafka = {"broker": KafkaAccess("127.0.0.1:1"), "answer": nowhere, "topic": broker.kafka}[lacks]
    began_s = time.monotonic()
    worked = 0
    with capture_logs() as lines:
        async with beating(kafka, ChainId(980_999), "work", "here", beat_s=0.01):
            while sum("the heartbeat is not written" in line["event"] for line in lines) < 2:
                await asyncio.sleep(0.01)
                worked += 1
                assert time.monotonic() - began_s < 60, lines
    assert lines[1]["left_out"] > 0 or lacks == "answer", "one line, and one every so often"
    assert worked > 10, (
        "the work went on: held up by each attempt to connect, it would have come to four or five"
    )
    async with reading(broker.kafka) as reader:  # a question of ours has made no topic
        there = await reader._consumer._client.fetch_all_metadata()
        assert PROCESSES.on(ChainId(980_999)) not in there.topics()


async def test_what_is_no_heartbeat_is_named_by_its_place_and_the_others_are_told(broker, chain_id):
    async with beating(broker.kafka, chain_id, "work", "here", beat_s=BEAT_S):
        await until_seen(broker, chain_id, lambda _: True)
        await append(
            broker.bootstrap_servers, PROCESSES.on(chain_id), 1, [b"\x00\xff", b'{"type":"ProcessSeen"}']
        )
        found = await now(broker, chain_id)
    assert [each.seen.name for each in found.processes] == ["work/here"]
    (malformed,) = found.malformed  # both had one key
    assert malformed.startswith(f"{PROCESSES.on(chain_id)}[1]@1: ")


def test_silence_is_told_in_beats():
    seen = ProcessSeen(
        role="work", instance="here", signer=None, pid=1, release="1", started_at_s=0, beat_s=5,
        heads=(), newest_block=None, last_error=None, last_error_at_s=None,
    )  # fmt: skip
    states = {silent_s: ProcessNow(seen, 0, silent_s).state for silent_s in (0, 30, 31, 120, 121)}
    assert states == {0: "well", 30: "well", 31: "stale", 120: "stale", 121: "dead"}
