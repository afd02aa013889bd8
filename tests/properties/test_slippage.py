"""Bounds from a reference price: their rounding, and the symmetry of both token orders."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.fixed_point import Q96
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.slippage import (
    least_burned,
    least_minted,
    minimum_out,
    most_taken_by_mint,
    price_limit_x96,
    price_window_x96,
    taken_by_mint,
)
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96, sqrt_price_at_tick
from pipeline.units import Bps, Liquidity, Pips, RawAmount, SqrtPriceX96, Tick

prices = st.integers(64, 128).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1))).map(SqrtPriceX96)
slippages = st.sampled_from([0, 1, 50, 9_999]).map(Bps)
fees = st.sampled_from([0, 100, 500, 10_000]).map(Pips)
amounts = st.integers(0, 30).flatmap(lambda n: st.integers(0, 10**n)).map(RawAmount)
REACHED: Counter[str] = Counter()
"""How often something was minted, and held against its least."""
ticks = st.tuples(st.integers(-900, 900), st.integers(1, 900)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def test_an_ether_at_three_thousand_dollars() -> None:
    at_3000_x96 = SqrtPriceX96(round((3000 * 10**6 / 10**18) ** 0.5 * Q96))
    least = minimum_out(RawAmount(10**18), at_3000_x96, Pips(500), Bps(100), zero_for_one=True)
    assert abs(least - 3000 * 10**6 * 9995 * 99 // 10**6) < 10
    back = minimum_out(RawAmount(3000 * 10**6), at_3000_x96, Pips(500), Bps(100), zero_for_one=False)
    assert abs(back - 10**18 * 9995 * 99 // 10**6) < 10**8


@given(amounts, prices, fees, slippages, st.booleans())
def test_the_minimum_is_the_exact_value_rounded_up_once(
    amount: RawAmount, price_x96: SqrtPriceX96, fee: Pips, slippage: Bps, down: bool
) -> None:
    price = Fraction(price_x96, Q96) ** 2
    exact = amount * (price if down else 1 / price)
    exact *= Fraction(10**6 - fee, 10**6) * Fraction(10_000 - slippage, 10_000)
    least = minimum_out(amount, price_x96, fee, slippage, zero_for_one=down)
    assert 0 <= least - exact < 1


@given(prices, slippages)
def test_a_limit_is_the_last_price_that_is_good_enough(price_x96: SqrtPriceX96, slippage: Bps) -> None:
    low_x96, high_x96 = price_window_x96(price_x96, slippage)
    kept = Fraction(10_000 - slippage, 10_000)
    worst = price_x96**2 * kept
    assert low_x96**2 >= worst > (low_x96 - 1) ** 2
    dearest = price_x96**2 / kept
    assert high_x96**2 <= dearest < (high_x96 + 1) ** 2
    assert low_x96 <= price_x96 <= high_x96


def test_a_limit_is_a_price_that_a_swap_may_have() -> None:
    edges = SqrtPriceX96(MIN_SQRT_PRICE_X96), SqrtPriceX96(MAX_SQRT_PRICE_X96 - 1)
    assert price_limit_x96(edges[0], Bps(50), zero_for_one=True) == MIN_SQRT_PRICE_X96 + 1
    assert price_limit_x96(edges[1], Bps(50), zero_for_one=False) == MAX_SQRT_PRICE_X96 - 1


@pytest.mark.parametrize("bps", [-1, 10_000])
def test_a_slippage_that_is_none_is_refused(bps: int) -> None:
    with pytest.raises(OutOfRangeError, match="bps"):
        minimum_out(RawAmount(1), SqrtPriceX96(Q96), Pips(500), Bps(bps), zero_for_one=True)
    with pytest.raises(OutOfRangeError, match="bps"):
        price_limit_x96(SqrtPriceX96(Q96), Bps(bps), zero_for_one=True)


@pytest.mark.parametrize("price", [0, MIN_SQRT_PRICE_X96 - 1, MAX_SQRT_PRICE_X96])
def test_a_reference_that_is_none_is_refused(price: int) -> None:
    with pytest.raises(OutOfRangeError, match="reference"):
        minimum_out(RawAmount(1), SqrtPriceX96(price), Pips(500), Bps(1), zero_for_one=True)
    with pytest.raises(OutOfRangeError, match="reference"):
        price_window_x96(SqrtPriceX96(price), Bps(1))


@given(ticks, st.integers(-900, 900), slippages, st.integers(1, 10**24), st.integers(0, 1000))
def test_a_burn_within_the_window_pays_the_least(
    ends: tuple[int, int], tick: int, slippage: Bps, liquidity: int, place: int
) -> None:
    window = price_window_x96(sqrt_price_at_tick(Tick(tick)), slippage)
    price_x96 = SqrtPriceX96(window[0] + (window[1] - window[0]) * place // 1000)
    lower, upper = map(Tick, ends)
    least = least_burned(Liquidity(liquidity), lower, upper, window)
    paid = range_amounts(price_x96, lower, upper, Liquidity(liquidity), round_up=False)
    assert paid[0] >= least[0]
    assert paid[1] >= least[1]
    at_high = range_amounts(window[1], lower, upper, Liquidity(liquidity), round_up=False)
    at_low = range_amounts(window[0], lower, upper, Liquidity(liquidity), round_up=False)
    assert least == (at_high[0], at_low[1])


@given(
    ticks,
    st.integers(-900, 900),
    slippages,
    st.tuples(amounts, amounts),
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
)
def test_a_mint_within_the_window_takes_the_least(
    ends: tuple[int, int],
    tick: int,
    slippage: Bps,
    held: tuple[RawAmount, RawAmount],
    places: tuple[int, int],
) -> None:
    """At the price that its amounts are made for to the unit, elsewhere but for two units, where it makes anything."""
    window = price_window_x96(sqrt_price_at_tick(Tick(tick)), slippage)
    made_at, minted_at = (
        SqrtPriceX96(window[0] + (window[1] - window[0]) * place // 1000) for place in places
    )
    lower, upper = map(Tick, ends)
    try:
        offered = taken_by_mint(*held, lower, upper, made_at)
        least = least_minted(*offered, lower, upper, window)
    except OutOfRangeError:  # a price too near an end for so much
        return
    for price_x96, units in ((made_at, 0), (minted_at, 2)):
        try:
            liquidity = liquidity_for_amounts(price_x96, lower, upper, *offered)
        except OutOfRangeError:
            continue
        if not liquidity:
            continue
        taken = range_amounts(price_x96, lower, upper, liquidity, round_up=True)
        assert least[0] - units <= taken[0] <= offered[0]
        assert least[1] - units <= taken[1] <= offered[1]
        REACHED["without slack" if not units else "within the window"] += 1


def test_mints_reach_that() -> None:
    test_a_mint_within_the_window_takes_the_least()
    assert min(REACHED["without slack"], REACHED["within the window"]) > 20, REACHED


@given(ticks, st.tuples(amounts, amounts), st.tuples(st.integers(-950, 950), st.integers(-950, 950)))
def test_the_bound_on_what_a_mint_takes_goes_one_way_and_holds(
    ends: tuple[int, int], held: tuple[RawAmount, RawAmount], at: tuple[int, int]
) -> None:
    lower, upper = map(Tick, ends)
    low, high = (
        most_taken_by_mint(*held, lower, upper, sqrt_price_at_tick(Tick(each))) for each in sorted(at)
    )
    assert low[0] >= high[0]
    assert low[1] <= high[1]
    for tick in at:
        price_x96 = sqrt_price_at_tick(Tick(tick))
        try:
            liquidity = liquidity_for_amounts(price_x96, lower, upper, *held)
        except OutOfRangeError:
            continue
        taken = range_amounts(price_x96, lower, upper, liquidity, round_up=True)
        most = most_taken_by_mint(*held, lower, upper, price_x96)
        assert taken[0] <= most[0] <= held[0]
        assert taken[1] <= most[1] <= held[1]


def test_a_mint_at_the_ratio_may_lose_little_of_either() -> None:
    """Both minimums are near what the mint takes at its own price: it is not an empty bound."""
    price_x96 = sqrt_price_at_tick(Tick(0))
    liquidity = Liquidity(10**18)
    amounts_there = range_amounts(price_x96, Tick(-600), Tick(600), liquidity, round_up=True)
    window = price_window_x96(price_x96, Bps(10))
    least = least_minted(*amounts_there, Tick(-600), Tick(600), window)
    for given_amount, minimum in zip(amounts_there, least, strict=True):
        assert 0.95 * given_amount < minimum < given_amount
