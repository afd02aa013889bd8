"""Compute the price after an amount comes in or goes out within one range of liquidity."""

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import MAX_UINT160, MAX_UINT256, Q96, div_up
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96


def price_after_input(
    sqrt_price_x96: SqrtPriceX96, liquidity: Liquidity, amount: RawAmount, *, zero_for_one: bool
) -> SqrtPriceX96:
    """Compute the price after an input net of fees.

    Rounds: against the trader, so never past the price that the amount pays for.
    Raises: OutOfRangeError where the contract reverts.
    Source: v3-core SqrtPriceMath.getNextSqrtPriceFromInput
    """
    if sqrt_price_x96 <= 0 or liquidity <= 0:
        raise _no_depth(sqrt_price_x96, liquidity)
    if not zero_for_one:
        return _uint160(sqrt_price_x96 + (amount << 96) // liquidity)
    numerator = liquidity << 96
    denominator = numerator + amount * sqrt_price_x96
    if denominator <= MAX_UINT256:
        return SqrtPriceX96(-(-numerator * sqrt_price_x96 // denominator))
    # the contract's way out where its multiplication would overflow
    return SqrtPriceX96(div_up(numerator, numerator // sqrt_price_x96 + amount))


def price_after_output(
    sqrt_price_x96: SqrtPriceX96, liquidity: Liquidity, amount: RawAmount, *, zero_for_one: bool
) -> SqrtPriceX96:
    """Compute the price after an output.

    Rounds: against the trader, so at least as far as the amount takes it.
    Raises: OutOfRangeError where the contract reverts: the range does not hold that amount.
    Source: v3-core SqrtPriceMath.getNextSqrtPriceFromOutput
    """
    if sqrt_price_x96 <= 0 or liquidity <= 0:
        raise _no_depth(sqrt_price_x96, liquidity)
    if zero_for_one:
        return _uint160(sqrt_price_x96 - div_up(amount * Q96, liquidity))
    numerator = liquidity * Q96
    product = amount * sqrt_price_x96
    if product > MAX_UINT256 or product >= numerator:
        raise OutOfRangeError(f"liquidity {liquidity} does not hold {amount} of token0")
    return _uint160(div_up(numerator * sqrt_price_x96, numerator - product))


def _no_depth(sqrt_price_x96: SqrtPriceX96, liquidity: Liquidity) -> OutOfRangeError:
    return OutOfRangeError(f"no price moves from {sqrt_price_x96} with liquidity {liquidity}")


def _uint160(value: int) -> SqrtPriceX96:
    if not 0 < value <= MAX_UINT160:
        raise OutOfRangeError(f"sqrt price {value} is not a positive uint160")
    return SqrtPriceX96(value)
