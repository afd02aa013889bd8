"""A market that follows a random walk, and a pool with a fee that only arbitrage moves, at the end of each block."""

import math
from random import Random

from pipeline.statistics.clock import LogPrices

DAY_S = 86_400


def pool_prices(
    seed: int, *, blocks: int, fee: float, block_s: int, daily: float, jumps: int = 0
) -> LogPrices:
    """Simulate a pool's log price; `jumps` of ten daily moves in all, spread evenly."""
    chance = Random(seed)
    per_block, band = daily * math.sqrt(block_s / DAY_S), -math.log1p(-fee)
    market = pool = 0.0
    at_s, logs = [0], [0.0]
    for block in range(1, blocks + 1):
        market += chance.gauss(0, per_block)
        if jumps and block % (blocks // jumps) == 0:
            market += chance.choice((-1, 1)) * daily
        moved = min(max(pool, market - band), market + band)
        if moved != pool:
            pool = moved
            at_s.append(block * block_s)
            logs.append(pool)
    return LogPrices(at_s, logs, blocks * block_s)
