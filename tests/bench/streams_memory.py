"""The resident memory of one worker, when idle after each fifth of a long log.

Blocks come in equal portions: what a worker reads ahead of a backlog is room that it keeps, whatever it has folded.
"""

import asyncio
from itertools import pairwise
from pathlib import Path

from streams_house import House
from streams_loads import load_of

SWAPS = 1
_STEPS = 5
_PORTION_BLOCKS = 5_000
_AT_REST_S = 3.0


async def memory(bootstrap: str, folder: Path, blocks: int) -> list[dict[str, float]]:
    """Let one worker take in a fifth, measure at rest, and again: growth is against the first fifth."""
    load = load_of(SWAPS, blocks)
    ends = [load.before_blocks + blocks * step // _STEPS for step in range(1, _STEPS + 1)]
    rows: list[dict[str, float]] = []
    async with House(bootstrap, folder) as house:
        house.start("worker")
        for first, end in pairwise([0, *ends]):
            for portion in range(first, end, _PORTION_BLOCKS):
                upto = min(portion + _PORTION_BLOCKS, end)
                await house.append(0, load.records[portion:upto])
                await house.commits(0, upto - 1)
            await asyncio.sleep(_AT_REST_S)
            now_mib = house.memory_mib("VmRSS")
            first_mib = rows[0]["resident_mib"] if rows else now_mib
            rows.append(
                {
                    "blocks": end - load.before_blocks,
                    "resident_mib": round(now_mib, 1),
                    "highest_mib": round(house.memory_mib("VmHWM"), 1),
                    "growth": round(now_mib / first_mib - 1, 4),
                }
            )
    return rows
