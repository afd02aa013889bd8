"""Amounts, prices and swap steps equal exact fractions with the documented rounding, at the bounds too."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import amount0_delta, amount1_delta, amounts_of_liquidity, range_amounts
from pipeline.math.fixed_point import MAX_UINT128, MAX_UINT160, MAX_UINT256, PIPS, Q96, div_up
from pipeline.math.prices import price_after_input, price_after_output
from pipeline.math.swap_step import amounts_between, fee_on, less_fee, step_with_input, step_with_output
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MAX_TICK, MIN_SQRT_PRICE_X96, MIN_TICK, sqrt_price_at_tick
from pipeline.units import Liquidity, Pips, RawAmount, SqrtPriceX96, Tick

prices = st.one_of(
    st.integers(MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96),
    st.integers(Q96 - 5, Q96 + 5),
    st.integers(MIN_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96 + 5),
    st.integers(MAX_SQRT_PRICE_X96 - 5, MAX_SQRT_PRICE_X96),
    st.integers(33, 159).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1) - 1)),
).map(SqrtPriceX96)
liquidities = st.one_of(
    st.integers(0, MAX_UINT128),
    st.integers(0, 5),
    st.integers(0, 127).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1) - 1)),
).map(Liquidity)
depths = liquidities.filter(bool)
amounts = st.one_of(
    st.integers(0, 5),
    st.integers(0, 2**160),
    st.integers(0, 255).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1) - 1)),
).map(RawAmount)
fees = st.sampled_from([100, 500, 3000, 10_000, 1, 999_999]).map(Pips)
ranges = (
    st.tuples(st.integers(MIN_TICK, MAX_TICK), st.integers(MIN_TICK, MAX_TICK))
    .filter(lambda pair: pair[0] != pair[1])
    .map(sorted)
)


@given(prices, prices, liquidities)
def test_amount0_is_the_exact_value_rounded_once(
    a: SqrtPriceX96, b: SqrtPriceX96, liquidity: Liquidity
) -> None:
    exact = Fraction(liquidity * Q96 * abs(a - b), a * b)
    assert amount0_delta(a, b, liquidity, round_up=False) == math.floor(exact)
    assert amount0_delta(a, b, liquidity, round_up=True) == math.ceil(exact)


@given(prices, prices, liquidities)
def test_amount1_is_the_exact_value_rounded_once(
    a: SqrtPriceX96, b: SqrtPriceX96, liquidity: Liquidity
) -> None:
    exact = Fraction(liquidity * abs(a - b), Q96)
    assert amount1_delta(a, b, liquidity, round_up=False) == math.floor(exact)
    assert amount1_delta(a, b, liquidity, round_up=True) == math.ceil(exact)


@given(prices, prices, liquidities)
def test_a_step_takes_in_rounded_up_and_gives_out_rounded_down(
    start: SqrtPriceX96, end: SqrtPriceX96, liquidity: Liquidity
) -> None:
    token0 = {up: amount0_delta(start, end, liquidity, round_up=up) for up in (False, True)}
    token1 = {up: amount1_delta(start, end, liquidity, round_up=up) for up in (False, True)}
    expected = (token0[True], token1[False]) if end <= start else (token1[True], token0[False])
    assert amounts_between(start, end, liquidity) == expected


@pytest.mark.parametrize("bad", [0, -1, MAX_UINT160 + 1])
def test_a_price_that_is_no_uint160_is_refused(bad: int) -> None:
    good = SqrtPriceX96(Q96)
    for measure in (amount0_delta, amount1_delta):
        with pytest.raises(OutOfRangeError):
            measure(SqrtPriceX96(bad), good, Liquidity(1), round_up=True)
        with pytest.raises(OutOfRangeError):
            measure(good, SqrtPriceX96(bad), Liquidity(1), round_up=True)


@given(prices, ranges, liquidities)
def test_a_range_is_token0_above_the_price_and_token1_below(
    price: SqrtPriceX96, ends: list[int], liquidity: Liquidity
) -> None:
    lower, upper = Tick(ends[0]), Tick(ends[1])
    low, high = sqrt_price_at_tick(lower), sqrt_price_at_tick(upper)
    amount0, amount1 = amounts_of_liquidity(price, lower, upper, liquidity)
    top, bottom = max(price, low), min(price, high)
    exact0 = Fraction(liquidity * Q96 * (high - top), high * top) if top < high else Fraction(0)
    exact1 = Fraction(liquidity * (bottom - low), Q96) if bottom > low else Fraction(0)
    assert (amount0, amount1) == (math.floor(exact0), math.floor(exact1))
    assert range_amounts(price, lower, upper, liquidity, round_up=True) == (
        math.ceil(exact0),
        math.ceil(exact1),
    )


@given(prices, depths, amounts)
def test_token1_in_lifts_the_price_rounded_down(
    start: SqrtPriceX96, depth: Liquidity, amount: RawAmount
) -> None:
    exact = math.floor(start + Fraction(amount * Q96, depth))
    if exact > MAX_UINT160:
        with pytest.raises(OutOfRangeError):
            price_after_input(start, depth, amount, zero_for_one=False)
    else:
        assert price_after_input(start, depth, amount, zero_for_one=False) == exact


@given(prices, depths, amounts)
@example(SqrtPriceX96(MAX_SQRT_PRICE_X96 - 1), Liquidity(MAX_UINT128), RawAmount(2**97 + 1))
def test_token0_in_lowers_the_price_rounded_up(
    start: SqrtPriceX96, depth: Liquidity, amount: RawAmount
) -> None:
    end = price_after_input(start, depth, amount, zero_for_one=True)
    exact = math.ceil(Fraction(depth * Q96 * start, depth * Q96 + amount * start))
    assert exact <= end <= start
    if depth * Q96 + amount * start <= MAX_UINT256:
        assert end == exact
    else:  # where the contract cannot multiply it divides twice
        assert end == div_up(depth * Q96, depth * Q96 // start + amount)


@given(prices, depths, amounts)
def test_token1_out_lowers_the_price_rounded_down(
    start: SqrtPriceX96, depth: Liquidity, amount: RawAmount
) -> None:
    exact = math.floor(start - Fraction(amount * Q96, depth))
    if exact <= 0:
        with pytest.raises(OutOfRangeError):
            price_after_output(start, depth, amount, zero_for_one=True)
    else:
        assert price_after_output(start, depth, amount, zero_for_one=True) == exact


@given(prices, depths, amounts)
def test_token0_out_lifts_the_price_rounded_up(
    start: SqrtPriceX96, depth: Liquidity, amount: RawAmount
) -> None:
    left = depth * Q96 - amount * start
    exact = math.ceil(Fraction(depth * Q96 * start, left)) if left > 0 else MAX_UINT160 + 1
    if exact > MAX_UINT160:
        with pytest.raises(OutOfRangeError):
            price_after_output(start, depth, amount, zero_for_one=False)
    else:
        assert price_after_output(start, depth, amount, zero_for_one=False) == exact


@given(amounts, fees)
def test_a_fee_is_rounded_for_the_pool(amount: RawAmount, fee: Pips) -> None:
    assert fee_on(amount, fee) == math.ceil(Fraction(amount * fee, PIPS - fee))
    assert less_fee(amount, fee) == math.floor(Fraction(amount * (PIPS - fee), PIPS))


@given(prices, prices, liquidities, amounts, fees)
def test_a_step_with_input_spends_all_of_it_or_reaches_its_target(
    start: SqrtPriceX96, target: SqrtPriceX96, liquidity: Liquidity, remaining: RawAmount, fee: Pips
) -> None:
    step = step_with_input(start, target, liquidity, remaining, fee)
    assert min(start, target) <= step.sqrt_price_x96 <= max(start, target)
    assert (step.amount_in, step.amount_out) == amounts_between(start, step.sqrt_price_x96, liquidity)
    if step.sqrt_price_x96 == target:
        assert step.fee == fee_on(step.amount_in, fee)
        assert step.amount_in + step.fee <= remaining
    else:
        assert step.amount_in + step.fee == remaining
        one_further = SqrtPriceX96(step.sqrt_price_x96 + (1 if target > start else -1))
        enough = amounts_between(start, one_further, liquidity)[0] <= less_fee(remaining, fee)
        overflows = target <= start and liquidity * Q96 + less_fee(remaining, fee) * start > MAX_UINT256
        assert not enough or overflows


@given(prices, prices, liquidities, amounts.filter(bool), fees)
def test_a_step_with_output_gives_all_of_it_or_reaches_its_target(
    start: SqrtPriceX96, target: SqrtPriceX96, liquidity: Liquidity, remaining: RawAmount, fee: Pips
) -> None:
    try:
        step = step_with_output(start, target, liquidity, remaining, fee)
    except OutOfRangeError:  # where the contract's product would not fit
        assume(False)
    assert min(start, target) <= step.sqrt_price_x96 <= max(start, target)
    amount_in, amount_out = amounts_between(start, step.sqrt_price_x96, liquidity)
    assert step.amount_in == amount_in
    assert step.amount_out == min(amount_out, remaining)
    assert step.fee == fee_on(amount_in, fee)
    assert step.amount_out == remaining or step.sqrt_price_x96 == target
