"""Compute the token amounts of a liquidity within a range."""

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import MAX_UINT160, Q96, div_up
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick


def amount0_delta(
    a_x96: SqrtPriceX96, b_x96: SqrtPriceX96, liquidity: Liquidity, *, round_up: bool
) -> RawAmount:
    """Compute the token0 that `liquidity` holds between two prices.

    liquidity * (sqrt_b - sqrt_a) / (sqrt_a * sqrt_b)

    Units:  prices Q64.96, result raw token0.
    Rounds: up when the pool is owed, down when it pays.
    Raises: OutOfRangeError if a price is not a positive uint160.
    Source: v3-core SqrtPriceMath.getAmount0Delta
    """
    low_x96, high_x96 = _sorted_prices(a_x96, b_x96)
    numerator = liquidity * Q96 * (high_x96 - low_x96)
    if round_up:
        return RawAmount(div_up(numerator, high_x96 * low_x96))
    return RawAmount(numerator // (high_x96 * low_x96))


def amount1_delta(
    a_x96: SqrtPriceX96, b_x96: SqrtPriceX96, liquidity: Liquidity, *, round_up: bool
) -> RawAmount:
    """Compute the token1 that `liquidity` holds between two prices.

    liquidity * (sqrt_b - sqrt_a)

    Units:  prices Q64.96, result raw token1.
    Rounds: up when the pool is owed, down when it pays.
    Raises: OutOfRangeError if a price is not a positive uint160.
    Source: v3-core SqrtPriceMath.getAmount1Delta
    """
    low_x96, high_x96 = _sorted_prices(a_x96, b_x96)
    numerator = liquidity * (high_x96 - low_x96)
    return RawAmount(div_up(numerator, Q96) if round_up else numerator // Q96)


def range_amounts(
    sqrt_price_x96: SqrtPriceX96, tick_lower: Tick, tick_upper: Tick, liquidity: Liquidity, *, round_up: bool
) -> tuple[RawAmount, RawAmount]:
    """Compute both amounts that `liquidity` over a range holds at a price.

    Units:  raw token0, raw token1.
    Rounds: up for what a mint costs, down for what a burn pays.
    Source: v3-core UniswapV3Pool._modifyPosition
    """
    lower_x96, upper_x96 = sqrt_price_at_tick(tick_lower), sqrt_price_at_tick(tick_upper)
    inside_x96 = min(max(sqrt_price_x96, lower_x96), upper_x96)
    return (
        amount0_delta(inside_x96, upper_x96, liquidity, round_up=round_up),
        amount1_delta(lower_x96, inside_x96, liquidity, round_up=round_up),
    )


def amounts_of_liquidity(
    sqrt_price_x96: SqrtPriceX96, tick_lower: Tick, tick_upper: Tick, liquidity: Liquidity
) -> tuple[RawAmount, RawAmount]:
    """Compute what a burn of `liquidity` pays.

    Units:  raw token0, raw token1.
    Rounds: down.
    Raises: OutOfRangeError beyond the outermost ticks.
    """
    return range_amounts(sqrt_price_x96, tick_lower, tick_upper, liquidity, round_up=False)


def _sorted_prices(a_x96: SqrtPriceX96, b_x96: SqrtPriceX96) -> tuple[SqrtPriceX96, SqrtPriceX96]:
    low_x96, high_x96 = (a_x96, b_x96) if a_x96 <= b_x96 else (b_x96, a_x96)
    if not 0 < low_x96 <= high_x96 <= MAX_UINT160:
        raise OutOfRangeError(f"sqrt prices {a_x96} and {b_x96} are not both a positive uint160")
    return low_x96, high_x96
