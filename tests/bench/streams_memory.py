"""Resident memory of one worker after a fifth of a long log, and after all of it."""

import asyncio
from pathlib import Path

from streams_house import House
from streams_loads import load_of

SWAPS = 1
_AT_REST_S = 3.0


async def memory(bootstrap: str, folder: Path, blocks: int) -> list[dict[str, float]]:
    """Let one worker take in a fifth, measure at rest, let it take in the rest, measure at rest."""
    load = load_of(SWAPS, blocks)
    early = load.before_blocks + blocks // 5
    async with House(bootstrap, folder) as house:
        house.start("worker")
        early_mib = await _after(house, load.records[:early], early)
        late_mib = await _after(house, load.records[early:], len(load.records))
        highest_mib = house.memory_mib("VmHWM")
    return [
        {
            "early_blocks": blocks // 5,
            "early_mib": round(early_mib, 1),
            "late_blocks": blocks,
            "late_mib": round(late_mib, 1),
            "highest_mib": round(highest_mib, 1),
            "growth": round(late_mib / early_mib - 1, 4),
        }
    ]


async def _after(house: House, records: list[bytes], end: int) -> float:
    await house.append(0, records)
    await house.commits(0, end - 1)
    await asyncio.sleep(_AT_REST_S)
    return house.memory_mib("VmRSS")
