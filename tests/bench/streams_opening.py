"""The seconds to open a large shard as a worker does: fence the former owner, read every entry, build the tables."""

import gc
import time
from pathlib import Path
from statistics import median

from builders import POOL
from streams_house import House

from pipeline import keys
from pipeline.messages.entries import Cursor
from pipeline.state.shard import Shard
from pipeline.units import GrowthX128, Liquidity, Offset, ShardId
from pipeline.venues.uniswap_v3.forms.entries import TickInfo
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.work.collector import collect_less_often

ENTRIES = 300_000
_PER_COMMIT = 50_000
_OPENINGS = 3


async def opening(bootstrap: str, folder: Path) -> list[dict[str, float]]:
    """Commit so many ticks, then open their shard anew a few times."""
    async with House(bootstrap, folder) as house:
        writer = KafkaCheckpoint(KafkaAccess(bootstrap), house.chain_id, instance="writer")
        await writer.open(ShardId(0))
        begun_s = time.perf_counter()
        for first in range(0, ENTRIES, _PER_COMMIT):
            await writer.commit([], {f"tick/{POOL}/{n}": _tick(n) for n in range(first, first + _PER_COMMIT)})
        await writer.commit(
            [], {keys.CURSOR: Cursor(offset=Offset(0))}
        )  # without it, an opening looks whether its shard has spoken
        wrote_s = time.perf_counter() - begun_s
        await writer.close()
        usual = gc.get_threshold()
        collect_less_often()
        begun_cpu_s = time.process_time()
        opened_s = [await _open_s(house) for _ in range(_OPENINGS)]
        cpu_s = (time.process_time() - begun_cpu_s) / _OPENINGS
        gc.set_threshold(*usual)
    return [
        {
            "entries": ENTRIES,
            "write_s": round(wrote_s, 2),
            "open_s": round(median(opened_s), 2),
            "open_worst_s": round(max(opened_s), 2),
            "open_cpu_s": round(cpu_s, 2),
        }
    ]


async def _open_s(house: House) -> float:
    checkpoint = KafkaCheckpoint(KafkaAccess(house.bootstrap), house.chain_id, instance="reader")
    begun_s = time.perf_counter()
    shard = Shard(ShardId(0), await checkpoint.open(ShardId(0)))
    took_s = time.perf_counter() - begun_s
    assert len(shard.tables.entries()) == ENTRIES + 1
    await checkpoint.close()
    return took_s


def _tick(number: int) -> TickInfo:
    return TickInfo(
        liquidity_gross=Liquidity(10**18 + number),
        liquidity_net=Liquidity(-(10**18) - number),
        outside0_x128=GrowthX128(2**120 + number),
        outside1_x128=GrowthX128(2**121 + number),
    )
