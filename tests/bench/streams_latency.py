"""The latency from a block's append to its committed decision, at a few blocks per second."""

import asyncio
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from streams_house import House
from streams_loads import Load, load_of

from streams.kafka.access import KafkaAccess
from streams.kafka.clients import appending_producer
from streams.kafka.codec import decode_output
from streams.kafka.topics import DECISIONS, EVENTS

BLOCKS_PER_S = 4
SWAPS = 10
_WAITING_BLOCKS = 40
"""Appended before the worker starts, which takes them in one transaction."""
_WARM_S = 15
"""So long blocks come at the same pace before those that count: a broker that has just started compiles its own code."""
_TIMEOUT_S = 60.0

Place = tuple[int, int]
"""Shard and offset."""


async def latencies(bootstrap: str, folder: Path, seconds: int) -> list[dict[str, float]]:
    """Measure at one shard and at four, in one worker."""
    blocks = _WAITING_BLOCKS + BLOCKS_PER_S * (_WARM_S + seconds)
    load = load_of(SWAPS, blocks, decides_each_block=True)
    return [await _latency(load, shards, bootstrap, folder) for shards in (1, 4)]


async def _latency(load: Load, shards: int, bootstrap: str, folder: Path) -> dict[str, float]:
    first = load.before_blocks + _WAITING_BLOCKS
    counted = first + BLOCKS_PER_S * _WARM_S
    async with House(bootstrap, folder, partitions=shards) as house:
        for shard in range(shards):
            await house.append(shard, load.records[:first])
        house.start("worker")
        for shard in range(shards):
            await house.commits(shard, first - 1)
        sent: dict[Place, float] = {}
        read: dict[Place, float] = {}
        due = shards * (len(load.records) - first)
        async with asyncio.TaskGroup() as both:
            both.create_task(_read(house, shards, first, due, read))
            both.create_task(_append(house, shards, load.records, first, sent))
    assert sent.keys() == read.keys(), "every block has its decision"
    ms = {place: (read[place] - sent[place]) * 1000 for place in sent}
    warming, steady = ([ms[place] for place in ms if (place[1] >= counted) is late] for late in (False, True))
    cuts = quantiles(steady, n=100, method="inclusive")
    return {
        "shards": shards,
        "blocks_per_s": BLOCKS_PER_S,
        "logs_per_record": load.swaps_per_block,
        "decisions": len(steady),
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        "max_ms": round(max(steady), 1),
        "warming_p50_ms": round(median(warming), 1),
        "warming_max_ms": round(max(warming), 1),
    }


async def _append(
    house: House, shards: int, records: list[bytes], first: int, sent: dict[Place, float]
) -> None:
    """Append a block to every shard at once, as the watcher does, and the next when it is time."""
    producer = appending_producer(KafkaAccess(house.bootstrap))
    await producer.start()
    begun_s = time.perf_counter()
    try:
        for number, offset in enumerate(range(first, len(records))):
            await asyncio.sleep(max(begun_s + number / BLOCKS_PER_S - time.perf_counter(), 0))
            for shard in range(shards):
                sent[shard, offset] = time.perf_counter()
            await asyncio.gather(
                *(
                    producer.send_and_wait(
                        EVENTS.on(house.chain_id), records[offset], key=b"-", partition=shard
                    )
                    for shard in range(shards)
                )
            )
    finally:
        await producer.stop()


async def _read(house: House, shards: int, first: int, due: int, read: dict[Place, float]) -> None:
    """Take note of when each block's first decision can be read."""
    async with house.reading(DECISIONS, range(shards)) as consumer:
        while len(read) < due:
            async with asyncio.timeout(_TIMEOUT_S):
                found = await consumer.getmany(timeout_ms=1000)
            now_s = time.perf_counter()
            for record in (record for records in found.values() for record in records):
                offset = _cause(record)
                if offset >= first:
                    read.setdefault((record.partition, offset), now_s)


def _cause(record: Any) -> int:
    return decode_output(record.value).because_of.offset
