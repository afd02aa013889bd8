"""One run: a history is mined, and `evenkeel backfill` is killed at drawn heights and restarted until it reaches the head."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from chaos.tail import Tail
from chaos_backfill.judge import Judged, judge, truth_of
from chaos_backfill.past import Built, Past, past_of
from forked import Forked
from kafka_logs import append

from pipeline.messages.events import AnyEvent, BlockSeen, BlocksPassed, PolicySet
from pipeline.units import BookId, ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_event, encode
from streams.kafka.readers import Record
from streams.kafka.topics import EVENTS, ensure_topics, shard_of

PARTITIONS = 4
_MOST_KILLS = 3
_LOOK_S = 0.05
_KILLED_PER_SECOND = 1_500
"""Questions of a process that is to be killed: so few that it is seen near the drawn height."""
_END_S = 300.0
"""Slowness is not a failure; silence for so long is."""


class Size(NamedTuple):
    """How long a past is, in blocks."""

    quiet: int
    busy: int


class Found(msgspec.Struct, kw_only=True):
    """What a run came to."""

    seed: int
    size: Size
    kills: list[int] = msgspec.field(default_factory=list)
    """How many of the past's blocks stood on the furthest shard when a process was killed."""
    missed: int = 0
    """Drawn heights that no process was killed at: it was at the end before."""
    judged: Judged = msgspec.field(default_factory=Judged)
    backfill_s: float = 0.0
    """Of all its processes, from their starts on."""
    highest_mib: float = 0.0
    """Memory of its largest process."""

    @property
    def wrong(self) -> list[str]:
        unstruck = [] if self.kills else ["no process was killed before its end"]
        return [f"seed {self.seed}: {each}" for each in (*self.judged.wrong, *unstruck)]


async def play(built: Built, bootstrap: str, folder: Path, size: Size, seed: int) -> Found:
    """Play a run on a chain and a deployment of its own."""
    found = Found(seed=seed, size=size)
    with past_of(built, folder / "chain", seed, sum(size)) as past:
        await asyncio.to_thread(past.live_through, *size)
        log = _Log(bootstrap, ChainId(past.chain.chain_id))
        try:
            await _apply(past, bootstrap)
            begun_s = time.monotonic()
            await _fill(past, log, bootstrap, folder, found)
            found.backfill_s = time.monotonic() - begun_s
            await log.grow()
        finally:
            await log.close()
        truth = await truth_of(past.chain, past.first_block)
        for shard, events in enumerate(log.events):
            await judge(ShardId(shard), events, truth, past.chain.url, found.judged)
    return found


async def _apply(past: Past, bootstrap: str) -> None:
    chain_id = ChainId(past.chain.chain_id)
    await ensure_topics(KafkaAccess(bootstrap), chain_id, PARTITIONS)
    for policy in past.policies():
        shard = shard_of(BookId(policy.book), PARTITIONS)
        await append(bootstrap, EVENTS.on(chain_id), shard, [encode(PolicySet(policy=policy))])


async def _fill(past: Past, log: "_Log", bootstrap: str, folder: Path, found: Found) -> None:
    """Start it again and again, killed at one drawn height after the other, the last time to its end."""
    dice, first = random.Random(f"{found.seed}/kills"), past.first_block
    drawn = sorted(dice.randrange(sum(found.size) * 9 // 10) for _ in range(dice.randint(1, _MOST_KILLS)))
    for height in (*drawn, None):
        process = _start(past, bootstrap, folder, is_killed=height is not None)
        try:
            until_s = time.monotonic() + _END_S
            while process.poll() is None and (height is None or log.highest <= first + height):
                assert time.monotonic() < until_s, _said(folder)
                found.highest_mib = max(found.highest_mib, _memory_mib(process.pid))
                await log.grow()
                await asyncio.sleep(_LOOK_S)
            if process.poll() is None:
                found.kills.append(log.highest - first)
            elif height is not None:
                found.missed += 1
        finally:
            process.kill()
            process.wait()
        if height is None or not found.kills:
            assert process.returncode == 0, _said(folder)


def _start(past: Past, bootstrap: str, folder: Path, *, is_killed: bool) -> subprocess.Popen[bytes]:
    settings = {
        "EVENKEEL_BROKER": bootstrap,
        "EVENKEEL_CHAIN_ID": str(past.chain.chain_id),
        "EVENKEEL_PARTITIONS": str(PARTITIONS),
        "EVENKEEL_RPC_URL": past.chain.url,
        "EVENKEEL_FOLDER": str(folder / "files"),
        **({"EVENKEEL_RPC_PER_SECOND": str(_KILLED_PER_SECOND)} if is_killed else {}),
    }
    with (folder / "backfill.log").open("ab") as output:
        return Forked(
            [sys.executable, "-m", "streams.cli", "backfill", "--from", str(past.first_block)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )


def _said(folder: Path) -> str:
    return (folder / "backfill.log").read_text()[-3_000:]


def _memory_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


class _Log:
    """All shards' events so far."""

    def __init__(self, bootstrap: str, chain_id: ChainId) -> None:
        self._tail = Tail(bootstrap, [EVENTS.on(chain_id)])
        self.events: list[list[AnyEvent]] = [[] for _ in range(PARTITIONS)]
        self.highest = 0
        """The highest block that stands on any of them."""

    async def grow(self) -> None:
        for record in await self._tail.news():
            self._take(record)

    async def close(self) -> None:
        await self._tail.close()

    def _take(self, record: Record) -> None:
        log = self.events[record.shard]
        assert record.offset == len(log), f"{record.where}: the log has a gap"
        event = decode_event(record.value or b"", where=record.where)
        log.append(event)
        self.highest = max(self.highest, _last(event))


def _last(event: AnyEvent) -> int:
    if isinstance(event, BlocksPassed):
        return event.first + len(event.blocks) - 1
    return event.block.number if isinstance(event, BlockSeen) else 0


def kills_of(found: Sequence[Found]) -> int:
    """Count the processes that were killed in all runs."""
    return sum(len(each.kills) for each in found)
