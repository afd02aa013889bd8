"""Replay a swap from its own log: walk from the old price to the logged one and check every step.

The log says where the price ends and what came in, so no step has to be solved for its price:
each full step's input follows from its two prices and its fee from the input, and the last step's
fee is what is left. That holds for exact input, exact output and price limits alike.
"""

from pipeline.errors import OutOfRangeError
from pipeline.math.bitmap import stop_above, stop_below
from pipeline.math.fixed_point import MAX_UINT256, PIPS
from pipeline.math.prices import price_after_input, price_after_output
from pipeline.math.swap_step import amounts_between, fee_on, less_fee
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MIN_SQRT_PRICE_X96,
    is_at_tick,
    prices_of_tick,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.units import RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.forms.facts import Swapped
from pipeline.venues.uniswap_v3.working_pool import WorkingPool, drifted, impossible


def replay_swap(pool: WorkingPool, swap: Swapped, timestamp_s: int) -> None:
    """Apply a swap's log to the pool.

    Raises: PoolDriftedError if amounts, liquidity or tick of the log are not those of the curve;
    ImpossibleFactError if no trade can look like this.
    """
    tick_before, liquidity_before = pool.tick, pool.liquidity
    if _one_step(pool, swap):
        if not pool.same_from_x96 <= pool.sqrt_price_x96 < pool.same_to_x96:
            pool.find_stops()
    else:
        _any_steps(pool, swap)
        pool.find_stops()
    if pool.tick != tick_before:
        pool.write_observation(timestamp_s, tick_before, liquidity_before)


def _one_step(pool: WorkingPool, swap: Swapped) -> bool:
    """Take a trade of one step that fits the curve, as nearly all are; leave any other to `_any_steps`, which finds what is wrong.

    It uses its input up, which is to say that `price_after_input` gives its price, multiplied out here; or it pays the nominal fee.
    """
    start_x96, end_x96, liquidity = pool.sqrt_price_x96, swap.sqrt_price_x96, pool.liquidity
    if (
        not pool.stop_below_x96 < end_x96 < pool.stop_above_x96
        or start_x96 == end_x96
        or not liquidity == swap.liquidity > 0
    ):
        return False
    down, product = end_x96 < start_x96, start_x96 * end_x96
    if down:
        offered = swap.amount0_delta
        net = offered * (PIPS - pool.fee_pips) // PIPS
        spread = liquidity * (start_x96 - end_x96)
        beyond = net * product - (spread << 96)
        amount_in = net - beyond // product
        gives = spread >> 96 == -swap.amount1_delta
        is_used_up = 0 <= beyond < (liquidity << 96) + net * start_x96 <= MAX_UINT256
    else:
        offered = swap.amount1_delta
        net = offered * (PIPS - pool.fee_pips) // PIPS
        spread = liquidity * (end_x96 - start_x96)
        amount_in = -(-spread >> 96)
        gives = 0 <= (spread << 96) + swap.amount0_delta * product < product
        is_used_up = 0 <= (net << 96) - spread < liquidity
    fee: RawAmount = offered - amount_in  # type: ignore[assignment]  # of every swap: to call the unit takes as long as a product
    if not gives or not (is_used_up or fee == fee_on(RawAmount(amount_in), pool.fee_pips)):
        return False
    lower_x96, upper_x96 = prices_of_tick(swap.tick)
    if not lower_x96 <= end_x96 < upper_x96:
        return False
    pool.book_fee(fee, token0=down)
    pool.sqrt_price_x96, pool.tick = end_x96, swap.tick
    return True


def _any_steps(pool: WorkingPool, swap: Swapped) -> None:
    """Take a trade of any number of steps, and check it."""
    start_x96, end_x96 = pool.sqrt_price_x96, swap.sqrt_price_x96
    down = end_x96 < start_x96 or (end_x96 == start_x96 and swap.amount0_delta > 0)
    _check_shape(pool, swap, down=down)
    if down:
        amount_in, amount_out = swap.amount0_delta, RawAmount(-swap.amount1_delta)
    else:
        amount_in, amount_out = swap.amount1_delta, RawAmount(-swap.amount0_delta)
    if pool.stop_below_x96 < end_x96 < pool.stop_above_x96:
        _last_step(pool, swap, amount_in, amount_out, down=down)
    else:
        _walk(pool, swap, amount_in, amount_out, down=down)
    if pool.tick != swap.tick:
        raise drifted(swap, "tick", swap.tick, pool.tick)
    if pool.liquidity != swap.liquidity:
        raise drifted(swap, "liquidity", swap.liquidity, pool.liquidity)


def _check_shape(pool: WorkingPool, swap: Swapped, *, down: bool) -> None:
    if not pool.sqrt_price_x96:
        raise impossible(swap, "the pool has no price yet")
    if not MIN_SQRT_PRICE_X96 < swap.sqrt_price_x96 < MAX_SQRT_PRICE_X96:
        at_start = swap.sqrt_price_x96 == pool.sqrt_price_x96 == MIN_SQRT_PRICE_X96
        if not at_start or down:  # else the walk would not end
            raise impossible(swap, f"no trade ends at sqrt price {swap.sqrt_price_x96}")
    if down and (swap.amount0_delta < 0 or swap.amount1_delta > 0):
        raise impossible(swap, "the price falls, so token0 comes in and token1 goes out")
    if not down and (swap.amount0_delta > 0 or swap.amount1_delta < 0):
        raise impossible(swap, "the price rises, so token1 comes in and token0 goes out")
    if swap.sqrt_price_x96 == pool.sqrt_price_x96 and not (swap.amount0_delta or swap.amount1_delta):
        raise impossible(swap, "nothing moved")


def _walk(pool: WorkingPool, swap: Swapped, left_in: RawAmount, left_out: RawAmount, *, down: bool) -> None:
    """Take every full step, then the last one.

    A price that ends on a stop has crossed it; input that is left after that belongs to the range
    beyond, where it was too little to move the price.
    """
    end_x96 = swap.sqrt_price_x96
    while pool.sqrt_price_x96 != end_x96 or left_in:
        find = stop_below if down else stop_above
        stop, initialized = find(pool.tick, pool.tick_spacing, pool.initialized)
        stop_x96 = sqrt_price_at_tick(stop)
        if (stop_x96 < end_x96) if down else (stop_x96 > end_x96):
            _last_step(pool, swap, left_in, left_out, down=down)
            return
        amount_in, amount_out = amounts_between(pool.sqrt_price_x96, stop_x96, pool.liquidity)
        fee = fee_on(amount_in, pool.fee_pips)
        if amount_in + fee > left_in:
            raise drifted(swap, "amount in", _amount_in(swap), f"{amount_in + fee - left_in} more")
        if amount_out > left_out and not (
            stop_x96 == end_x96
            and left_in == amount_in + fee
            and _is_output_to(pool, end_x96, left_out, down=down)
        ):
            raise drifted(swap, "amount out", _amount_out(swap), f"{amount_out - left_out} more")
        left_in = RawAmount(left_in - amount_in - fee)
        left_out = RawAmount(max(left_out - amount_out, 0))
        pool.book_fee(fee, token0=down)
        pool.sqrt_price_x96 = stop_x96
        if initialized:
            pool.cross(stop, down=down)
        pool.tick = Tick(stop - 1) if down else stop
    if left_out:
        raise drifted(swap, "amount out", _amount_out(swap), f"{left_out} less")


def _last_step(
    pool: WorkingPool, swap: Swapped, left_in: RawAmount, left_out: RawAmount, *, down: bool
) -> None:
    """Compute the last step within one range: input that the curve does not take is the fee, and must equal it."""
    start_x96, end_x96 = pool.sqrt_price_x96, swap.sqrt_price_x96
    amount_in, amount_out = amounts_between(start_x96, end_x96, pool.liquidity)
    fee = RawAmount(left_in - amount_in)
    if not _is_input_to(pool, end_x96, left_in, down=down) and fee != fee_on(amount_in, pool.fee_pips):
        raise drifted(
            swap, "amount in", _amount_in(swap), f"{amount_in} of the last {left_in} without the fee"
        )
    if amount_out != left_out and not (
        fee == fee_on(amount_in, pool.fee_pips)
        and left_out < amount_out
        and _is_output_to(pool, end_x96, left_out, down=down)
    ):
        raise drifted(swap, "amount out", _amount_out(swap), f"{amount_out} in place of the last {left_out}")
    pool.book_fee(fee, token0=down)
    if end_x96 != start_x96:
        if not is_at_tick(end_x96, swap.tick):
            raise drifted(swap, "tick", swap.tick, tick_at_sqrt_price(end_x96))
        pool.sqrt_price_x96 = end_x96
        pool.tick = swap.tick


def _is_input_to(pool: WorkingPool, end_x96: SqrtPriceX96, offered: RawAmount, *, down: bool) -> bool:
    """Return whether an exact input, used up within this range, ends at a price."""
    try:
        return end_x96 == price_after_input(
            pool.sqrt_price_x96, pool.liquidity, less_fee(offered, pool.fee_pips), zero_for_one=down
        )
    except OutOfRangeError:
        return False


def _is_output_to(pool: WorkingPool, end_x96: SqrtPriceX96, wanted: RawAmount, *, down: bool) -> bool:
    """Return whether an exact output, reached within this range, ends at a price: rounding may overshoot."""
    try:
        return wanted > 0 and end_x96 == price_after_output(
            pool.sqrt_price_x96, pool.liquidity, wanted, zero_for_one=down
        )
    except OutOfRangeError:
        return False


def _amount_in(swap: Swapped) -> RawAmount:
    return max(swap.amount0_delta, swap.amount1_delta)


def _amount_out(swap: Swapped) -> RawAmount:
    return min(swap.amount0_delta, swap.amount1_delta)
