"""A pool moved by its own logs, against a plain port of the contract and other libraries: same swaps, same end of each."""

import copy
import importlib
import importlib.util
import sys
from collections.abc import Callable

from builders import POOL, ToyChain
from rows import Row
from turns import by_turns

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3 import LivePool, decode_pool_log, quote
from pipeline.venues.uniswap_v3.forms.facts import Swapped
from pipeline.venues.uniswap_v3.topics import SWAP_TOPIC

SWAPS, BLOCKS = 2_000, 20
RANGES = 40
"""Providers beside the chain's own two, so that some swaps cross ticks."""


def flow() -> tuple[LivePool, list[tuple[Swapped, int]]]:
    """Make a pool and swaps in it, each with its block's time."""
    chain = ToyChain(7)
    for number in range(RANGES):
        lower = -10 * (number % 20 + 1)
        chain.mint(POOL, lower, lower + 10 * (number % 7 + 1), 10**19 + number, sender=POOL)
    pool = copy.deepcopy(chain.pool)
    swaps: list[tuple[Swapped, int]] = []
    for _ in range(BLOCKS):
        chain.mine(0)
        for _ in range(SWAPS // BLOCKS):
            chain.swap(chain.random.choice([10**15, 10**17, 3 * 10**18]), down=chain.random.random() < 0.5)
        facts = [decode_pool_log(log) for log in chain.logs if log.topics[0] == SWAP_TOPIC]
        swaps += [(fact, chain.head.timestamp_s) for fact in facts if isinstance(fact, Swapped)]
    return pool, swaps


def by_replay(pool: LivePool, swaps: list[tuple[Swapped, int]]) -> list[tuple[int, ...]]:
    """Move the pool as the product does: fees, observations, and every log checked."""
    ends: list[tuple[int, ...]] = []
    for swap, at_s in swaps:
        pool.apply(swap, at_s)
        ends.append((pool.sqrt_price_x96, pool.liquidity, pool.tick))
    return ends


def by_port(pool: LivePool, swaps: list[tuple[Swapped, int]]) -> list[tuple[int, ...]]:
    """Swap as the contract does, from the amount that went in; it keeps no fees and no observations."""
    ends: list[tuple[int, ...]] = []
    for swap, _ in swaps:
        down = swap.amount0_delta > 0
        amount = RawAmount(swap.amount0_delta if down else swap.amount1_delta)
        limit = SqrtPriceX96(sqrt_price_at_tick(Tick(-900 if down else 900)))
        end = quote(pool, amount, zero_for_one=down, limit_x96=limit)
        pool.sqrt_price_x96, pool.liquidity, pool.tick = (
            end.sqrt_price_x96,
            Liquidity(end.liquidity),
            end.tick,
        )
        ends.append((end.sqrt_price_x96, end.liquidity, end.tick))
    return ends


def crossing_share(pool: LivePool, swaps: list[tuple[Swapped, int]]) -> float:
    """Tell which share of swaps changed the liquidity, so needed more than one step for sure."""
    before, crossed = pool.liquidity, 0
    for swap, _ in swaps:
        crossed += swap.liquidity != before
        before = swap.liquidity
    return crossed / len(swaps)


def rows(rounds: int) -> list[Row]:
    """Measure the ways per swap."""
    pool, swaps = flow()
    assert by_replay(copy.deepcopy(pool), swaps) == by_port(copy.deepcopy(pool), swaps)
    ready: dict[str, Callable[[], object]] = {
        "ours": lambda: by_replay(copy.deepcopy(pool), swaps),
        "port": lambda: by_port(copy.deepcopy(pool), swaps),
        "copy": lambda: copy.deepcopy(pool),
    }
    took = by_turns(ready, rounds)
    us = {name: (seconds - took["copy"]) * 1e6 / len(swaps) for name, seconds in took.items()}
    note = f"{crossing_share(pool, swaps):.1%} of the swaps cross a tick with liquidity; the port keeps no fees and no observations"
    if importlib.util.find_spec("degenbot") is None:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.stdout.write(
            f"skipped: degenbot is not installed here (0.5.0 needs Python 3.12, this is {running})\n"
        )
    return [
        Row(
            "a swap's log -> the pool after it",
            "a plain port of the contract",
            us["ours"],
            us["port"],
            6,
            10,
            note,
        )
    ]
