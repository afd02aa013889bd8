"""Ranges by width and share are on the tick spacing and within the tick bounds, and none is nearer to the share."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.ranges import range_at_share, share_of_token0
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.units import Liquidity, SqrtPriceX96, Tick

HALF = Fraction(1, 2)
prices = st.one_of(
    st.integers(-MAX_TICK, MAX_TICK - 1).map(lambda tick: sqrt_price_at_tick(Tick(tick))),
    st.integers(33, 159)
    .flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1)))
    .filter(lambda x: x < MAX_SQRT_PRICE_X96),
    st.sampled_from([MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96 - 1]),
).map(SqrtPriceX96)
spacings = st.sampled_from([1, 10, 60, 200, 16_383])
shares = st.one_of(
    st.sampled_from([Fraction(0), HALF, Fraction(1)]), st.fractions(0, 1, max_denominator=10**4)
)


def test_half_and_half_is_about_the_price() -> None:
    assert range_at_share(sqrt_price_at_tick(Tick(0)), 10, 600, HALF) == (-600, 600)
    lower, upper = range_at_share(sqrt_price_at_tick(Tick(-196_257)), 60, 900, HALF)
    assert (upper - lower, lower % 60) == (1800, 0)
    assert abs((lower + upper) // 2 + 196_257) <= 30


def test_more_of_token0_is_further_up() -> None:
    price_x96 = sqrt_price_at_tick(Tick(0))
    lowers = [range_at_share(price_x96, 10, 600, Fraction(bps, 10_000))[0] for bps in range(0, 10_001, 500)]
    assert lowers == sorted(lowers)
    assert (lowers[0], lowers[-1]) == (-1200, 0)  # one token alone


def test_one_token_alone_stands_beside_the_price() -> None:
    price_x96 = SqrtPriceX96(sqrt_price_at_tick(Tick(7)))
    assert range_at_share(price_x96, 10, 20, Fraction(1)) == (10, 50)
    assert range_at_share(price_x96, 10, 20, Fraction(0)) == (-40, 0)


def test_the_width_is_to_the_nearest_spacing() -> None:
    price_x96 = sqrt_price_at_tick(Tick(0))
    for half_width, width in ((1, 200), (149, 200), (150, 400), (249, 400), (10**9, 2 * 887_200)):
        lower, upper = range_at_share(price_x96, 200, half_width, HALF)
        assert upper - lower == width


@given(prices, spacings, st.integers(1, 200_000), shares)
@settings(deadline=None)
def test_no_other_range_of_its_width_that_holds_the_price_is_nearer(
    price_x96: SqrtPriceX96, spacing: int, half_width: int, share0: Fraction
) -> None:
    lower, upper = range_at_share(price_x96, spacing, half_width, share0)
    most = MAX_TICK // spacing * spacing
    assert lower % spacing == upper % spacing == 0
    assert -most <= lower < upper <= most
    if 0 < share0 < 1 and -most <= tick_at_sqrt_price(price_x96) < most:
        assert lower <= tick_at_sqrt_price(price_x96) < upper
    off = abs(share_of_token0(price_x96, lower, upper) - share0)
    for moved in (lower - spacing, lower + spacing):
        beyond = Tick(moved + upper - lower)
        if -most <= moved and beyond <= most and moved <= tick_at_sqrt_price(price_x96) < beyond:
            assert off <= abs(share_of_token0(price_x96, Tick(moved), beyond) - share0)


@given(st.integers(-5_000, 5_000), st.integers(-500, 499), st.integers(1, 1_000))
def test_a_share_is_that_of_the_amounts(tick: int, low_off: int, width: int) -> None:
    lower, upper = Tick(tick + low_off), Tick(tick + low_off + width)
    price_x96 = sqrt_price_at_tick(Tick(tick))
    amount0, amount1 = range_amounts(price_x96, lower, upper, Liquidity(10**30), round_up=False)
    value0 = amount0 * price_x96 * price_x96
    by_amounts = Fraction(value0, value0 + (amount1 << 192))
    assert abs(share_of_token0(price_x96, lower, upper) - by_amounts) < Fraction(1, 10**20)


def test_the_other_order_of_tokens_is_the_mirror() -> None:
    for bps in range(500, 10_000, 500):
        share = Fraction(bps, 10_000)
        lower, upper = range_at_share(sqrt_price_at_tick(Tick(12_345)), 10, 600, share)
        mirror = range_at_share(sqrt_price_at_tick(Tick(-12_345)), 10, 600, 1 - share)
        assert max(abs(mirror[0] + upper), abs(mirror[1] + lower)) <= 10  # ties go down in both


@pytest.mark.parametrize(
    ("half_width", "share"), [(0, HALF), (-1, HALF), (1, Fraction(-1)), (1, Fraction(2))]
)
def test_what_cannot_be_is_refused(half_width: int, share: Fraction) -> None:
    with pytest.raises(OutOfRangeError, match="share"):
        range_at_share(sqrt_price_at_tick(Tick(0)), 10, half_width, share)
