"""A price's cell depends on the price alone, not on its history."""

from collections import Counter

from depth import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.book.cells import LastCell, cell_bounds
from pipeline.math.log_prices import MAX_LOG_PRICE, MIN_LOG_PRICE, log_of_price, price_of_root
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import Price
from pipeline.units import SqrtPriceX96

REACHED: Counter[bool] = Counter()
"""How often a price was in the cell of the price before."""

cells = st.integers(-3, 3) | st.integers(MIN_LOG_PRICE // 10, MAX_LOG_PRICE // 10)
edges = st.builds(lambda cell, by: price_of_root(_edge(cell, by)), cells, st.integers(-1, 1))
prices = edges | st.builds(Price, numerator=st.integers(1, 2**300), denominator=st.integers(1, 2**300))


def _edge(cell: int, by: int) -> SqrtPriceX96:
    return SqrtPriceX96(sqrt_price_at_tick(cell_bounds(cell)[0]) + by)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(prices, min_size=1, max_size=12))
@example([price_of_root(_edge(7, by)) for by in (0, 1, 0, -1, 0)])
def test_a_cell_is_that_of_the_logarithm(walk):
    last, before = LastCell(), None
    for price in walk:
        cell = (log_of_price(price) + 5) // 10
        assert last.cell_of(price) == cell
        REACHED[cell == before] += 1
        before = cell


def test_prices_stay_and_go():
    test_a_cell_is_that_of_the_logarithm()
    assert min(REACHED[stays] for stays in (True, False)) > 20, REACHED
