"""The grid of prices by which views are told: a price that stays in its cell is no news.

The cells are as wide as `CELL_TICKS` ticks, and one of them has par in its middle. Which cell a price is in follows from the price alone,
so whoever folds the same log tells the same views.
"""

from math import isqrt

from pipeline import keys
from pipeline.book.exposures import Price, Spot
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    MIN_TICK,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.state.tables import Tables
from pipeline.units import PoolId, SqrtPriceX96, Tick

CELL_TICKS = 10
"""A tick is .01 %: a view is at most .1 % of price old."""


def cell_of(tables: Tables, pool: PoolId, spot: Spot) -> int:
    """Tell in which cell a pool's price is."""
    return tables.derived(keys.cell(pool), (spot,), lambda: _cell(spot))


def cell_bounds(cell: int) -> tuple[SqrtPriceX96, SqrtPriceX96]:
    """Give the square roots of the lowest price in a cell, and of the lowest above it."""
    return _sqrt_at(cell), _sqrt_at(cell + 1)


def tick_of(price: Price) -> Tick:
    """Give the greatest tick whose price is not above a price; beyond the ticks that there are, the outermost."""
    sqrt_price_x96 = isqrt((price.numerator << 192) // price.denominator)
    within = min(max(sqrt_price_x96, MIN_SQRT_PRICE_X96), MAX_SQRT_PRICE_X96 - 1)
    return tick_at_sqrt_price(SqrtPriceX96(within))


def _cell(spot: Spot) -> int:
    return (tick_of(spot.price) + CELL_TICKS // 2) // CELL_TICKS


def _sqrt_at(cell: int) -> SqrtPriceX96:
    tick = cell * CELL_TICKS - CELL_TICKS // 2
    if tick > MAX_TICK:
        return MAX_SQRT_PRICE_X96
    return sqrt_price_at_tick(Tick(max(tick, MIN_TICK)))
