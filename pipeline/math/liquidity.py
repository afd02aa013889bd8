"""Compute the liquidity that token amounts give within a range."""

from typing import Final

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import MAX_UINT128, Q96
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick

NOT_NEEDED: Final = 1 << 512
"""Stands for the liquidity of a token of which the range holds none at the price: more than any amount makes."""


def liquidity_sides(
    sqrt_price_x96: SqrtPriceX96,
    lower_x96: SqrtPriceX96,
    upper_x96: SqrtPriceX96,
    amount0: RawAmount,
    amount1: RawAmount,
) -> tuple[int, int]:
    """Compute the liquidity that each amount alone would suffice for; the lesser of both is minted.

    amount0 * sqrt * sqrt_b / (sqrt_b - sqrt), amount1 / (sqrt - sqrt_a)

    Rounds: down, token0 twice as the manager does.
    Source: v3-periphery LiquidityAmounts
    """
    side0 = side1 = NOT_NEEDED
    if sqrt_price_x96 < upper_x96:
        from_x96 = max(sqrt_price_x96, lower_x96)
        side0 = amount0 * (from_x96 * upper_x96 // Q96) // (upper_x96 - from_x96)
    if sqrt_price_x96 > lower_x96:
        to_x96 = min(sqrt_price_x96, upper_x96)
        side1 = amount1 * Q96 // (to_x96 - lower_x96)
    return side0, side1


def sides_fit(sides: tuple[int, int]) -> bool:
    """Return whether both results fit into uint128, which the manager asks of each of them."""
    return all(side <= MAX_UINT128 or side == NOT_NEEDED for side in sides)


def liquidity_for_amounts(
    sqrt_price_x96: SqrtPriceX96, tick_lower: Tick, tick_upper: Tick, amount0: RawAmount, amount1: RawAmount
) -> Liquidity:
    """Return the liquidity that the position manager mints for at most these amounts.

    Rounds: down.
    Raises: OutOfRangeError where the manager reverts: no range, or an amount too large for a price so near its end.
    Source: v3-periphery LiquidityAmounts.getLiquidityForAmounts
    """
    if tick_lower >= tick_upper:
        raise OutOfRangeError(f"ticks {tick_lower} and {tick_upper} are not a range")
    if amount0 < 0 or amount1 < 0:
        raise OutOfRangeError(f"amounts {amount0} and {amount1} are not both zero or more")
    lower_x96, upper_x96 = sqrt_price_at_tick(tick_lower), sqrt_price_at_tick(tick_upper)
    sides = liquidity_sides(sqrt_price_x96, lower_x96, upper_x96, amount0, amount1)
    if not sides_fit(sides):
        raise OutOfRangeError(f"liquidity {' or '.join(map(str, sides))} is not a uint128")
    return Liquidity(min(sides))
