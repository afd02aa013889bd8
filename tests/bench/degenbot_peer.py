"""Swaps by degenbot's pool, where that library is installed: a port of the contract without fees and observations."""

import importlib
import importlib.metadata
from collections.abc import Callable
from threading import Lock
from typing import Any

from flows import Flow

from pipeline.venues.uniswap_v3 import LivePool

_NO_LIMIT = {True: 4295128740, False: 1461446703485210103287273052203988822378723970341}


def version() -> str | None:
    """Tell which degenbot is installed; None: none."""
    try:
        return importlib.metadata.version("degenbot")
    except importlib.metadata.PackageNotFoundError:
        return None


def by_degenbot(flow: Flow) -> Callable[[], list[tuple[int, ...]]]:
    """Prepare degenbot's way through a flow of swaps alone. Its memory of steps begins empty each time."""
    types = importlib.import_module("degenbot.uniswap.v3_types")
    pool = _pool(flow.pool)
    known = {
        "tick_bitmap": _bitmap(types, flow.pool),
        "tick_data": {
            tick: types.UniswapV3LiquidityAtTick(
                liquidity_net=info.liquidity_net, liquidity_gross=info.liquidity_gross
            )
            for tick, info in flow.pool.ticks.items()
        },
    }
    begins = flow.pool.sqrt_price_x96, flow.pool.liquidity, flow.pool.tick
    asked = [move.asked for move in flow.moves if move.asked is not None]
    make = types.UniswapV3PoolState

    def run() -> list[tuple[int, ...]]:
        pool._swap_step_cache.clear()
        price_x96, liquidity, tick = begins
        ends: list[tuple[int, ...]] = []
        for amount, down, limit_x96 in asked:
            state = make(
                address="", block=1, liquidity=liquidity, sqrt_price_x96=price_x96, tick=tick, **known
            )
            _, _, price_x96, liquidity, tick = pool._calculate_swap(
                zero_for_one=down,
                amount_specified=amount,
                sqrt_price_limit_x96=limit_x96 or _NO_LIMIT[down],
                override_state=state,
            )
            ends.append((price_x96, liquidity, tick))
        return ends

    return run


def _pool(like: LivePool) -> Any:
    """Make its pool without a node to ask."""
    kind = importlib.import_module("degenbot.uniswap.v3_liquidity_pool").UniswapV3Pool
    pool = object.__new__(kind)
    pool.fee, pool.tick_spacing, pool.sparse_liquidity_map = like.fee_pips, like.tick_spacing, False
    pool._swap_step_cache, pool._swap_step_cache_lock = {}, Lock()
    return pool


def _bitmap(types: Any, pool: LivePool) -> dict[int, Any]:
    words: dict[int, int] = {}
    for tick in pool.ticks:
        place = tick // pool.tick_spacing
        words[place >> 8] = words.get(place >> 8, 0) | 1 << (place & 255)
    return {word: types.UniswapV3BitmapAtWord(bitmap=bits) for word, bits in words.items()}
