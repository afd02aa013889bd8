"""Convert prices to logarithms to the base 1.0001 and back, in integers: one step is 0.01 % of any price.

They are what pools call ticks, and are found by the very multiplications of a pool: the same on every machine.
"""

from math import isqrt

from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    MIN_TICK,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.messages.base import Price
from pipeline.units import LogPrice, SqrtPriceX96, Tick

MIN_LOG_PRICE, MAX_LOG_PRICE = LogPrice(MIN_TICK), LogPrice(MAX_TICK)


def log_of_price(price: Price) -> LogPrice:
    """Return the greatest logarithm whose price is at most a price, within the range of logarithms."""
    sqrt_price_x96 = isqrt((price.numerator << 192) // price.denominator)
    within = min(max(sqrt_price_x96, MIN_SQRT_PRICE_X96), MAX_SQRT_PRICE_X96 - 1)
    return LogPrice(tick_at_sqrt_price(SqrtPriceX96(within)))


def price_at_log(log_price: LogPrice) -> Price:
    """Return the price of a logarithm. Raises: OutOfRangeError outside the range of logarithms."""
    return price_of_root(sqrt_price_at_tick(Tick(log_price)))


def price_of_root(sqrt_price_x96: SqrtPriceX96) -> Price:
    """Convert a square-root price into the price of token0 in token1."""
    return Price(numerator=sqrt_price_x96 * sqrt_price_x96, denominator=1 << 192)
