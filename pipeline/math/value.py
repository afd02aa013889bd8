"""Value an amount of one token in the other at a pool's price."""

from pipeline.units import RawAmount, SqrtPriceX96


def value_in_token1(amount0: RawAmount, sqrt_price_x96: SqrtPriceX96) -> RawAmount:
    """Value token0 in token1 at spot: amount * sqrt^2 / 2^192. Rounds: down."""
    return RawAmount(amount0 * sqrt_price_x96 * sqrt_price_x96 >> 192)


def value_in_token0(amount1: RawAmount, sqrt_price_x96: SqrtPriceX96) -> RawAmount:
    """Value token1 in token0 at spot: amount * 2^192 / sqrt^2. Rounds: down."""
    return RawAmount((amount1 << 192) // (sqrt_price_x96 * sqrt_price_x96))
