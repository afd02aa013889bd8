"""Liquidity for amounts against exact fractions: never more than the amounts pay for, and one unit more would cost more."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.fixed_point import Q96
from pipeline.math.liquidity import liquidity_for_amounts, liquidity_sides
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import RawAmount, Tick

ticks = st.tuples(st.integers(-5_000, 5_000), st.integers(1, 3_000)).map(
    lambda pair: (Tick(pair[0]), Tick(pair[0] + pair[1]))
)
prices = st.tuples(st.integers(-6_000, 9_000), st.integers(-(10**15), 10**15)).map(
    lambda pair: sqrt_price_at_tick(Tick(pair[0])) + pair[1] * (pair[1] % 3 != 0)
)
amounts = st.integers(0, 26).flatmap(lambda n: st.integers(0, 10**n)).map(RawAmount)


@given(ticks, prices, amounts, amounts)
def test_each_side_is_what_its_amount_pays_for(ends, price_x96, amount0, amount1) -> None:
    a, b = (sqrt_price_at_tick(tick) for tick in ends)
    s = min(max(price_x96, a), b)
    side0, side1 = liquidity_sides(price_x96, a, b, amount0, amount1)
    if price_x96 < b:
        exact = Fraction(amount0 * s * b, Q96 * (b - s))
        product = Fraction(s * b // Q96 * Q96, s * b)  # the manager rounds the product of prices first
        assert side0 == math.floor(exact * product)
    if price_x96 > a:
        assert side1 == math.floor(Fraction(amount1 * Q96, s - a))
    assert (side0 > 2**500) == (price_x96 >= b)
    assert (side1 > 2**500) == (price_x96 <= a)


@given(ticks, prices, amounts, amounts)
def test_the_mint_takes_no_more_than_it_is_offered(ends, price_x96, amount0, amount1) -> None:
    try:
        liquidity = liquidity_for_amounts(price_x96, *ends, amount0, amount1)
    except OutOfRangeError:
        assume(False)
    taken0, taken1 = range_amounts(price_x96, *ends, liquidity, round_up=True)
    assert taken0 <= amount0
    assert taken1 <= amount1


def test_the_product_of_prices_is_rounded_first() -> None:
    """At a price so low that few bits of the product are kept."""
    a, b = sqrt_price_at_tick(Tick(-560_060)), sqrt_price_at_tick(Tick(-560_000))
    side0, _ = liquidity_sides(a, a, b, RawAmount(2**90), RawAmount(0))
    at_once = 2**90 * a * b // Q96 // (b - a)
    assert at_once > side0 == 2**90 * (a * b // Q96) // (b - a)


def test_an_amount_too_large_for_its_price_is_refused_even_where_it_does_not_count() -> None:
    just_below = sqrt_price_at_tick(Tick(60)) - 1
    with pytest.raises(OutOfRangeError, match="uint128"):
        liquidity_for_amounts(just_below, Tick(0), Tick(60), RawAmount(10**12), RawAmount(1))


@pytest.mark.parametrize("bad", [(60, 60, 1, 1), (61, 60, 1, 1), (0, 60, -1, 1), (0, 60, 1, -1)])
def test_what_cannot_be_is_refused(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(OutOfRangeError):
        liquidity_for_amounts(sqrt_price_at_tick(Tick(30)), *bad)
