"""The grid of prices by which views are published: while a price stays in its cell, no new view is.

The cells are equally wide in logarithms, and one of them has par in its middle. Which cell a price is in follows from the price alone,
so whoever folds the same log tells the same views.
"""

from pipeline import keys
from pipeline.book.exposures import Spot
from pipeline.math.log_prices import MAX_LOG_PRICE, MIN_LOG_PRICE, log_of_price
from pipeline.state.tables import Tables
from pipeline.units import LogPrice, PoolId

CELL_STEPS = 10
"""A step of a logarithm is .01 %: a view is at most .1 % of price old."""


def cell_of(tables: Tables, pool: PoolId, spot: Spot) -> int:
    """Tell in which cell a pool's price is."""
    return tables.derived(keys.cell(pool), (spot,), lambda: _cell(spot))


def cell_bounds(cell: int) -> tuple[LogPrice, LogPrice]:
    """Give the logarithms of the lowest price in a cell, and of the lowest above it."""
    return _begin(cell), _begin(cell + 1)


def _cell(spot: Spot) -> int:
    return (log_of_price(spot.price) + CELL_STEPS // 2) // CELL_STEPS


def _begin(cell: int) -> LogPrice:
    return LogPrice(min(max(cell * CELL_STEPS - CELL_STEPS // 2, MIN_LOG_PRICE), MAX_LOG_PRICE))
