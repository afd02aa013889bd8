"""Compute the worst acceptable price, swap or change of liquidity, relative to a reference price that is not spot.

Bounds on a swap are rounded to the stricter side: at worst one that was just good enough is refused.
"""

from math import isqrt

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import range_amounts
from pipeline.math.fixed_point import PIPS, Q96, div_up
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MIN_SQRT_PRICE_X96,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
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
    """Return the least output that an exact input must bring.

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
    """Return the least that a swap must bring, below what it would bring now by a tolerance for trades before it.

    quoted_out * (1 - tolerance)

    Units:  raw amount of what is bought.
    Rounds: up.
    Raises: OutOfRangeError for a tolerance outside 0..9999.
    """
    return RawAmount(div_up(quoted_out * _kept_bps(swap_tolerance_bps), _WHOLE_BPS))


def most_of_quote(quoted_in: RawAmount, swap_tolerance_bps: Bps) -> RawAmount:
    """Return the most that a purchase may cost of what it would cost now.

    quoted_in * (1 + tolerance)

    Units:  raw amount of what is paid.
    Rounds: down.
    """
    return RawAmount(quoted_in * (_WHOLE_BPS + swap_tolerance_bps) // _WHOLE_BPS)


def price_limit_x96(
    reference_sqrt_price_x96: SqrtPriceX96, max_slippage_bps: Bps, *, zero_for_one: bool
) -> SqrtPriceX96:
    """Compute the price limit of a swap: there one more unit sold brings, before the fee, the reference price less slippage.

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
    """Compute the prices between which a mint or a burn planned at one price is still wanted. Rounds: towards that price."""
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
    """Return the least of each token that a burn pays anywhere in a price window.

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
    """Return the least of each token that a mint of two amounts takes anywhere in a price window where it makes liquidity.

    The amounts go together at a price of the window, as `taken_by_mint` tells them. Of one token alone nothing is minted inside the
    range, so there the window ends. Where a unit of a token is more than the window's end makes out, the least is a unit more than
    a mint takes a tick beyond it, and no more than the amount: what is signed is met nowhere else.

    Units:  raw token0 (at the window's upper end), raw token1 (at its lower end).
    Rounds: down by the last unit of liquidity: a mint inside the window falls short of them by two units at most, at the amounts' own
        price by none.
    Raises: OutOfRangeError where the manager would revert.
    """
    ticks, (low_x96, high_x96) = (tick_lower, tick_upper), window_x96
    at_low = low_x96 if amount0 else max(low_x96, sqrt_price_at_tick(tick_upper))
    at_high = high_x96 if amount1 else min(high_x96, sqrt_price_at_tick(tick_lower))
    least0, _ = _minted(amount0, amount1, *ticks, at_high)
    _, least1 = _minted(amount0, amount1, *ticks, at_low)
    above, below = Tick(tick_at_sqrt_price(high_x96) + 1), Tick(tick_at_sqrt_price(low_x96) - 1)
    if tick_lower < above < tick_upper:
        beyond0, _ = most_taken_by_mint(amount0, amount1, *ticks, sqrt_price_at_tick(above))
        least0 = max(least0, min(RawAmount(beyond0 + 1), amount0))
    if tick_lower < below < tick_upper:
        _, beyond1 = most_taken_by_mint(amount0, amount1, *ticks, sqrt_price_at_tick(below))
        least1 = max(least1, min(RawAmount(beyond1 + 1), amount1))
    return least0, least1


def _minted(
    amount0: RawAmount, amount1: RawAmount, tick_lower: Tick, tick_upper: Tick, sqrt_price_x96: SqrtPriceX96
) -> tuple[RawAmount, RawAmount]:
    liquidity = liquidity_for_amounts(sqrt_price_x96, tick_lower, tick_upper, amount0, amount1)
    return range_amounts(sqrt_price_x96, tick_lower, tick_upper, liquidity, round_up=False)


def most_taken_by_mint(
    amount0: RawAmount, amount1: RawAmount, tick_lower: Tick, tick_upper: Tick, sqrt_price_x96: SqrtPriceX96
) -> tuple[RawAmount, RawAmount]:
    """Bound what a mint of at most two amounts takes of each at a price, as if liquidity were a real number.

    So as the price rises it is never more of token0, nor less of token1; what the pool takes goes up and down within a unit of liquidity.

    Rounds: up.
    Raises: OutOfRangeError for no range.
    """
    if tick_lower >= tick_upper:
        raise OutOfRangeError(f"ticks {tick_lower} and {tick_upper} are not a range")
    lower_x96, upper_x96 = sqrt_price_at_tick(tick_lower), sqrt_price_at_tick(tick_upper)
    if sqrt_price_x96 <= lower_x96:
        return amount0, RawAmount(0)
    if sqrt_price_x96 >= upper_x96:
        return RawAmount(0), amount1
    per0 = sqrt_price_x96 * upper_x96 * (sqrt_price_x96 - lower_x96)
    per1 = Q96 * Q96 * (upper_x96 - sqrt_price_x96)
    if amount0 * per0 <= amount1 * per1:
        return amount0, RawAmount(div_up(amount0 * per0, per1))
    return RawAmount(div_up(amount1 * per1, per0)), amount1


def taken_by_mint(
    amount0: RawAmount, amount1: RawAmount, tick_lower: Tick, tick_upper: Tick, sqrt_price_x96: SqrtPriceX96
) -> tuple[RawAmount, RawAmount]:
    """Return what a mint of at most two amounts takes of each at a price: one of them is not used up.

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
