"""Compute the worst acceptable price, swap or change of liquidity, relative to a reference price that is not spot.

Bounds on a swap are rounded to the stricter side: at worst one that was just good enough is refused.
"""

from math import isqrt

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.q import PIPS, div_up
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96
from pipeline.units import Bps, Liquidity, Pips, RawAmount, SqrtPriceX96, Tick

_WHOLE_BPS = 10_000


def minimum_out(
    amount_in: RawAmount,
    reference_sqrt_price_x96: SqrtPriceX96,
    fee_pips: Pips,
    max_slippage_bps: Bps,
    *,
    zero_for_one: bool,
) -> RawAmount:
    """Tell the least that an exact input must bring.

    amount_in * (1 - fee) * price * (1 - slippage), with the reference price of what is sold

    Units:  raw amount of what is bought.
    Rounds: up, once.
    Raises: OutOfRangeError for no reference, or a slippage outside 0..9999.
    """
    numerator, denominator = _checked(reference_sqrt_price_x96) ** 2, 1 << 192
    if not zero_for_one:
        numerator, denominator = denominator, numerator
    kept = (PIPS - fee_pips) * _kept_bps(max_slippage_bps)
    return RawAmount(div_up(amount_in * kept * numerator, PIPS * _WHOLE_BPS * denominator))


def least_of_quote(quoted_out: RawAmount, swap_tolerance_bps: Bps) -> RawAmount:
    """Compute the least that a swap must bring of what it would bring now: the rest may be taken by whoever trades before it.

    quoted_out * (1 - tolerance)

    Units:  raw amount of what is bought.
    Rounds: up.
    Raises: OutOfRangeError for a tolerance outside 0..9999.
    """
    return RawAmount(div_up(quoted_out * _kept_bps(swap_tolerance_bps), _WHOLE_BPS))


def most_of_quote(quoted_in: RawAmount, swap_tolerance_bps: Bps) -> RawAmount:
    """Tell the most that a purchase may cost of what it would cost now.

    quoted_in * (1 + tolerance)

    Units:  raw amount of what is paid.
    Rounds: down.
    """
    return RawAmount(quoted_in * (_WHOLE_BPS + swap_tolerance_bps) // _WHOLE_BPS)


def price_limit_x96(
    reference_sqrt_price_x96: SqrtPriceX96, max_slippage_bps: Bps, *, zero_for_one: bool
) -> SqrtPriceX96:
    """Tell where a swap must stop: there a unit sold brings, before the fee, what the reference says less slippage.

    sqrt * sqrt(1 - slippage) when token0 is sold, sqrt / sqrt(1 - slippage) when token1 is

    Rounds: towards the reference.
    Raises: OutOfRangeError for no reference, or a slippage outside 0..9999.
    """
    squared, kept_bps = _checked(reference_sqrt_price_x96) ** 2, _kept_bps(max_slippage_bps)
    if zero_for_one:
        limit_x96 = isqrt(div_up(squared * kept_bps, _WHOLE_BPS) - 1) + 1
    else:
        limit_x96 = isqrt(squared * _WHOLE_BPS // kept_bps)
    return SqrtPriceX96(min(max(limit_x96, MIN_SQRT_PRICE_X96 + 1), MAX_SQRT_PRICE_X96 - 1))


def price_window_x96(
    sqrt_price_x96: SqrtPriceX96, max_slippage_bps: Bps
) -> tuple[SqrtPriceX96, SqrtPriceX96]:
    """Tell between which prices a mint or a burn planned at one is still wanted. Rounds: towards that price."""
    return (
        price_limit_x96(sqrt_price_x96, max_slippage_bps, zero_for_one=True),
        price_limit_x96(sqrt_price_x96, max_slippage_bps, zero_for_one=False),
    )


def least_burned(
    liquidity: Liquidity,
    tick_lower: Tick,
    tick_upper: Tick,
    window_x96: tuple[SqrtPriceX96, SqrtPriceX96],
) -> tuple[RawAmount, RawAmount]:
    """Tell the least of each token that a burn pays anywhere in a window of prices.

    Units:  raw token0 (at its upper end), raw token1 (at its lower end).
    Rounds: down, as the pool does: a burn inside the window never fails them.
    """
    low_x96, high_x96 = window_x96
    amount0, _ = range_amounts(high_x96, tick_lower, tick_upper, liquidity, round_up=False)
    _, amount1 = range_amounts(low_x96, tick_lower, tick_upper, liquidity, round_up=False)
    return amount0, amount1


def least_minted(
    amount0: RawAmount,
    amount1: RawAmount,
    tick_lower: Tick,
    tick_upper: Tick,
    window_x96: tuple[SqrtPriceX96, SqrtPriceX96],
) -> tuple[RawAmount, RawAmount]:
    """Tell the least of each token that a mint of at most two amounts takes anywhere in a window of prices.

    Units:  raw token0 (at its upper end), raw token1 (at its lower end).
    Rounds: down by the last unit of liquidity: a mint inside the window never fails them.
    Raises: OutOfRangeError where the manager would revert.
    """
    low_x96, high_x96 = window_x96
    at_high = liquidity_for_amounts(high_x96, tick_lower, tick_upper, amount0, amount1)
    at_low = liquidity_for_amounts(low_x96, tick_lower, tick_upper, amount0, amount1)
    least0, _ = range_amounts(high_x96, tick_lower, tick_upper, at_high, round_up=False)
    _, least1 = range_amounts(low_x96, tick_lower, tick_upper, at_low, round_up=False)
    return least0, least1


def taken_by_mint(
    amount0: RawAmount, amount1: RawAmount, tick_lower: Tick, tick_upper: Tick, sqrt_price_x96: SqrtPriceX96
) -> tuple[RawAmount, RawAmount]:
    """Tell what a mint of at most two amounts takes of each at a price: the rest of the one has nothing to go with it.

    Rounds: up, as the pool does.
    Raises: OutOfRangeError where the manager would revert.
    """
    liquidity = liquidity_for_amounts(sqrt_price_x96, tick_lower, tick_upper, amount0, amount1)
    taken0, taken1 = range_amounts(sqrt_price_x96, tick_lower, tick_upper, liquidity, round_up=True)
    return RawAmount(min(taken0, amount0)), RawAmount(min(taken1, amount1))


def _checked(sqrt_price_x96: SqrtPriceX96) -> SqrtPriceX96:
    if not MIN_SQRT_PRICE_X96 <= sqrt_price_x96 < MAX_SQRT_PRICE_X96:
        raise OutOfRangeError(f"reference price {sqrt_price_x96} lies outside what a pool can have")
    return sqrt_price_x96


def _kept_bps(max_slippage_bps: Bps) -> int:
    if not 0 <= max_slippage_bps < _WHOLE_BPS:
        raise OutOfRangeError(f"slippage of {max_slippage_bps} bps is not within 0..{_WHOLE_BPS - 1}")
    return _WHOLE_BPS - max_slippage_bps
