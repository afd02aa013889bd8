"""Compute how far a swap may move a price before a sandwich attack on it pays."""

from math import isqrt

from pipeline.math.fixed_point import PIPS, div_up
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96
from pipeline.units import Pips, SqrtPriceX96


def safe_window_x96(sqrt_price_x96: SqrtPriceX96, fee_pips: Pips) -> tuple[SqrtPriceX96, SqrtPriceX96]:
    """Compute the prices between which a public swap must end so that sandwiching it does not pay.

    Whoever buys before a swap and sells behind it earns what the swap moves the price by, and pays the fee twice. So it
    pays from where the swap moves the price by more than twice the fee: a swap of 2 * fee * depth, with the depth that
    moves a price by its own logarithm. No window where twice the fee is all of the price.

    sqrt * sqrt(1 - 2 * fee) and sqrt / sqrt(1 - 2 * fee)

    Rounds: towards the price.
    """
    lowest, highest = MIN_SQRT_PRICE_X96 + 1, MAX_SQRT_PRICE_X96 - 1
    kept, squared = PIPS - 2 * fee_pips, sqrt_price_x96 * sqrt_price_x96
    if kept <= 0:
        return SqrtPriceX96(lowest), SqrtPriceX96(highest)
    low_x96 = isqrt(div_up(squared * kept, PIPS) - 1) + 1
    high_x96 = isqrt(squared * PIPS // kept)
    return SqrtPriceX96(max(low_x96, lowest)), SqrtPriceX96(min(high_x96, highest))
