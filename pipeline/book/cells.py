"""The price grid for publishing views: no new view is published while a price stays in its cell.

The cells are equally wide in logarithms, and one of them has par in its middle. Which cell a price is in follows from the price alone,
so whoever folds the same log tells the same views.
"""

from pipeline import keys
from pipeline.book.exposures import Spot
from pipeline.math.log_prices import MAX_LOG_PRICE, MIN_LOG_PRICE, log_of_price, price_at_log
from pipeline.messages.base import Price
from pipeline.state.tables import Tables
from pipeline.units import LogPrice, PoolId

CELL_STEPS = 10
"""A step of a logarithm is .01 %: a view is at most .1 % of price old."""


def cell_of(tables: Tables, pool: PoolId, spot: Spot) -> int:
    """Return the cell of a pool's price."""
    last: LastCell = tables.derived(keys.cell(pool), (), LastCell)
    return last.cell_of(spot.price)


class LastCell:
    """The cell of the last price: the next is mostly in it too, which is found without a logarithm."""

    def __init__(self) -> None:
        """Start without a cell."""
        self._cell = 0
        self._from = self._to = 0
        """Numerators, over 2**192, of its first price and of the first one above it."""

    def cell_of(self, price: Price) -> int:
        """Return the cell of a price."""
        square = price.numerator << 192
        if not self._from * price.denominator <= square < self._to * price.denominator:
            self._cell = _cell(price)
            self._from, self._to = (price_at_log(log).numerator for log in cell_bounds(self._cell))
        return self._cell


def cell_bounds(cell: int) -> tuple[LogPrice, LogPrice]:
    """Return the logarithms of the lowest price in a cell, and of the lowest above it."""
    return _begin(cell), _begin(cell + 1)


def _cell(price: Price) -> int:
    return (log_of_price(price) + CELL_STEPS // 2) // CELL_STEPS


def _begin(cell: int) -> LogPrice:
    return LogPrice(min(max(cell * CELL_STEPS - CELL_STEPS // 2, MIN_LOG_PRICE), MAX_LOG_PRICE))
