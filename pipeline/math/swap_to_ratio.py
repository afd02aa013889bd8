"""Find the end of a swap within one range of liquidity after which the tokens fit a new range."""

from math import isqrt

from pipeline.math.fixed_point import PIPS, Q96
from pipeline.math.swap_step import amounts_between, fee_on
from pipeline.units import Liquidity, Pips, RawAmount, SqrtPriceX96


def price_at_ratio(
    sqrt_price_x96: SqrtPriceX96,
    ends_x96: tuple[SqrtPriceX96, SqrtPriceX96],
    amounts: tuple[RawAmount, RawAmount],
    liquidity: Liquidity,
    fee_pips: Pips,
    *,
    zero_for_one: bool,
) -> SqrtPriceX96:
    """Compute the price at which holdings, swapped up to there, have the ratio of a range.

    With s the price before, a and b the range, l the liquidity in range and B = l / (1 - fee),
    u, v = (B, l) when token0 is sold and (l, B) when token1 is, A = amount0 + u / s, C = amount1 + v * s
    and all prices square roots, the price after is the root in (a, b) of

    (b * A - v) * r^2 - (b * A * a + b * u - C - v * b) * r + b * (u * a - C) = 0

    at which the difference of the two liquidities grows with r, so it is the root with plus before the radical.

    Rounds: down, to a few units: a first guess, exact amounts decide.
    """
    kept = PIPS - fee_pips
    into, out_of = liquidity * PIPS, liquidity * kept
    u, v = (into, out_of) if zero_for_one else (out_of, into)
    s, a, b = sqrt_price_x96, *ends_x96
    held0 = amounts[0] * kept * s + u * Q96  # A * s * 2^96
    held1 = amounts[1] * kept * Q96 + v * s  # C * 2^96
    square = b * held0 - v * Q96 * s
    linear = b * held0 * a + (b * u - held1 - v * b) * Q96 * s
    constant = b * (u * a - held1) * Q96 * s
    root = isqrt(max(linear * linear - 4 * square * constant, 0))
    # of two equal forms the one that adds what has one sign
    if linear > 0:
        price_x96 = (linear + root) // (2 * square) if square else b
    else:
        price_x96 = 2 * constant // (linear - root) if linear != root else a
    return SqrtPriceX96(min(max(price_x96, a), b))


def input_to_price(
    start_x96: SqrtPriceX96, end_x96: SqrtPriceX96, liquidity: Liquidity, fee_pips: Pips
) -> RawAmount:
    """Compute the input of a swap within one range of liquidity that reaches a price. Rounds: up."""
    amount_in, _ = amounts_between(start_x96, end_x96, liquidity)
    return RawAmount(amount_in + fee_on(amount_in, fee_pips))
