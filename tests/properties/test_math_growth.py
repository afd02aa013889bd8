"""Growth counters wrap around: an offset of all of them changes nobody's earnings."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.math.fixed_point import MAX_UINT128, MAX_UINT256, wrap_int, wrap_uint
from pipeline.math.growth import fees_since, grown, growth_beyond, growth_inside
from pipeline.units import GrowthX128, Liquidity, RawAmount, Tick

growths = st.one_of(
    st.integers(0, MAX_UINT256),
    st.integers(0, 5),
    st.integers(MAX_UINT256 - 5, MAX_UINT256),
).map(GrowthX128)
liquidities = st.one_of(st.integers(1, MAX_UINT128), st.integers(1, 5)).map(Liquidity)
fees = st.one_of(st.integers(0, MAX_UINT128), st.integers(0, 5)).map(RawAmount)
sides = st.sampled_from([-100, -60, 0, 59, 60, 100]).map(Tick)


@given(growths, fees, liquidities)
def test_growth_is_the_fee_per_liquidity_rounded_down(
    before: GrowthX128, fee: RawAmount, liquidity: Liquidity
) -> None:
    after = grown(before, fee, liquidity)
    assert (after - before) % 2**256 == math.floor(Fraction(fee * 2**128, liquidity)) % 2**256
    assert 0 <= after <= MAX_UINT256


@given(growths, fees)
def test_without_liquidity_nothing_grows(before: GrowthX128, fee: RawAmount) -> None:
    assert grown(before, fee, Liquidity(0)) == before


@given(growths, growths)
def test_crossing_twice_changes_nothing(total: GrowthX128, outside: GrowthX128) -> None:
    assert growth_beyond(total, growth_beyond(total, outside)) == outside


@given(growths, growths, growths, sides)
def test_the_three_parts_of_the_line_share_the_whole(
    total: GrowthX128, low: GrowthX128, high: GrowthX128, tick: Tick
) -> None:
    lower, upper = Tick(-60), Tick(60)
    inside = growth_inside(total, low, high, tick=tick, tick_lower=lower, tick_upper=upper)
    below = low if tick >= lower else growth_beyond(total, low)
    above = high if tick < upper else growth_beyond(total, high)
    assert (inside + below + above) % 2**256 == total


@given(growths, growths, fees, liquidities, st.sampled_from([(-100, -60), (-60, 60), (60, 100)]))
def test_only_the_range_that_holds_the_price_earns(
    low: GrowthX128, high: GrowthX128, fee: RawAmount, liquidity: Liquidity, held: tuple[int, int]
) -> None:
    lower, upper = Tick(-60), Tick(60)
    total = GrowthX128((low + high) & MAX_UINT256)
    for tick in (Tick(held[0]), Tick(held[1] - 1)):
        before = growth_inside(total, low, high, tick=tick, tick_lower=lower, tick_upper=upper)
        after = growth_inside(
            grown(total, fee, liquidity), low, high, tick=tick, tick_lower=lower, tick_upper=upper
        )
        earned = (fee << 128) // liquidity if held == (-60, 60) else 0
        assert (after - before) % 2**256 == earned % 2**256


@given(growths, st.integers(0, MAX_UINT256), liquidities)
def test_fees_are_rounded_down_and_kept_to_128_bits(
    last: GrowthX128, rise: int, liquidity: Liquidity
) -> None:
    now = GrowthX128((last + rise) & MAX_UINT256)
    assert fees_since(now, last, liquidity) == math.floor(Fraction(rise * liquidity, 2**128)) % 2**128


@given(st.integers(-(2**300), 2**300), st.sampled_from([32, 56, 160]))
def test_wrapping_keeps_the_low_bits(value: int, bits: int) -> None:
    assert 0 <= wrap_uint(value, bits) < 2**bits
    assert -(2 ** (bits - 1)) <= wrap_int(value, bits) < 2 ** (bits - 1)
    assert (wrap_uint(value, bits) - value) % 2**bits == 0
    assert (wrap_int(value, bits) - value) % 2**bits == 0
