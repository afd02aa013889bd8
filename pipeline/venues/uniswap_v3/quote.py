"""Compute the result of a swap without applying it."""

import msgspec

from pipeline.errors import OutOfRangeError
from pipeline.math.bitmap import stop_above, stop_below
from pipeline.math.fixed_point import MAX_UINT128
from pipeline.math.swap_step import SwapStep, step_with_input, step_with_output
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MIN_SQRT_PRICE_X96,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.working_pool import WorkingPool


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The pool's price and both amounts after a swap; positive: the pool receives."""

    amount0_delta: RawAmount
    amount1_delta: RawAmount
    sqrt_price_x96: SqrtPriceX96
    liquidity: Liquidity
    tick: Tick


def quote(
    pool: WorkingPool, amount: RawAmount, *, zero_for_one: bool, limit_x96: SqrtPriceX96 | None = None
) -> Quote:
    """Compute a swap: a positive amount is an exact input, a negative one an exact output.

    Without a limit the price may go as far as it can. Less than `amount` trades where the limit is met first.

    Rounds: for the pool, as it does.
    Raises: OutOfRangeError where the pool would revert.
    Source: v3-core UniswapV3Pool.swap
    """
    if limit_x96 is None:
        limit_x96 = SqrtPriceX96(MIN_SQRT_PRICE_X96 + 1 if zero_for_one else MAX_SQRT_PRICE_X96 - 1)
    _check(pool, amount, limit_x96, down=zero_for_one)
    sqrt_price_x96, tick, liquidity = pool.sqrt_price_x96, pool.tick, pool.liquidity
    left, other = abs(amount), 0
    while left and sqrt_price_x96 != limit_x96:
        find = stop_below if zero_for_one else stop_above
        stop, initialized = find(tick, pool.tick_spacing, pool.initialized)
        stop_x96 = sqrt_price_at_tick(stop)
        target_x96 = max(stop_x96, limit_x96) if zero_for_one else min(stop_x96, limit_x96)
        take = step_with_input if amount > 0 else step_with_output
        step = take(sqrt_price_x96, target_x96, liquidity, RawAmount(left), pool.fee_pips)
        used, gained = _sides(step, exact_input=amount > 0)
        left, other = left - used, other + gained
        if step.sqrt_price_x96 == stop_x96:
            if initialized:
                liquidity = _across(pool, liquidity, stop, down=zero_for_one)
            tick = Tick(stop - 1) if zero_for_one else stop
        elif step.sqrt_price_x96 != sqrt_price_x96:
            tick = tick_at_sqrt_price(step.sqrt_price_x96)
        sqrt_price_x96 = step.sqrt_price_x96
    specified = abs(amount) - left
    received, paid = (specified, other) if amount > 0 else (other, specified)
    return Quote(
        amount0_delta=RawAmount(received if zero_for_one else -paid),
        amount1_delta=RawAmount(-paid if zero_for_one else received),
        sqrt_price_x96=sqrt_price_x96,
        liquidity=liquidity,
        tick=tick,
    )


def _check(pool: WorkingPool, amount: RawAmount, limit_x96: SqrtPriceX96, *, down: bool) -> None:
    if not amount:
        raise OutOfRangeError("a swap of nothing")
    if down and not MIN_SQRT_PRICE_X96 < limit_x96 < pool.sqrt_price_x96:
        raise OutOfRangeError(f"limit {limit_x96} is not below the price {pool.sqrt_price_x96}")
    if not down and not 0 < pool.sqrt_price_x96 < limit_x96 < MAX_SQRT_PRICE_X96:
        raise OutOfRangeError(f"limit {limit_x96} is not above the price {pool.sqrt_price_x96}")


def _sides(step: SwapStep, *, exact_input: bool) -> tuple[int, int]:
    """Return what a step took of the amount that was specified, and of the other."""
    paid = step.amount_in + step.fee
    return (paid, step.amount_out) if exact_input else (step.amount_out, paid)


def _across(pool: WorkingPool, liquidity: Liquidity, tick: Tick, *, down: bool) -> Liquidity:
    net = pool.ticks[tick].liquidity_net
    across = liquidity - net if down else liquidity + net
    if not 0 <= across <= MAX_UINT128:
        raise OutOfRangeError(f"liquidity would become {across} across tick {tick}")
    return Liquidity(across)
