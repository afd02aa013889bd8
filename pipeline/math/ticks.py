"""Convert ticks to square-root prices and back."""

import math
from functools import lru_cache

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import MAX_UINT128, MAX_UINT256, div_up
from pipeline.units import Liquidity, SqrtPriceX96, Tick

MIN_TICK = Tick(-887272)
MAX_TICK = Tick(887272)
MIN_SQRT_PRICE_X96 = SqrtPriceX96(4295128739)
"""At MIN_TICK; a pool's price is at least this."""
MAX_SQRT_PRICE_X96 = SqrtPriceX96(1461446703485210103287273052203988822378723970342)
"""At MAX_TICK; a pool's price is below this."""
_LOG_Q96 = 96 * math.log(2)
_LOG_OF_A_TICK = math.log(1.0001) / 2

_FACTORS_X128 = (
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9,
    0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)
"""1.0001 ** -(2**i / 2), as the contract has them."""


@lru_cache(maxsize=1 << 15)
def sqrt_price_at_tick(tick: Tick) -> SqrtPriceX96:
    """Return the square-root price at the lower end of a tick.

    sqrt(1.0001 ** tick), by the contract's own multiplications

    Rounds: as the contract; the last division from Q128.128 up.
    Raises: OutOfRangeError beyond MIN_TICK or MAX_TICK.
    Source: v3-core TickMath.getSqrtRatioAtTick
    """
    distance = abs(tick)
    if distance > MAX_TICK:
        raise OutOfRangeError(f"tick {tick} lies beyond {MAX_TICK}")
    ratio_x128 = 1 << 128
    for bit, factor_x128 in enumerate(_FACTORS_X128):
        if distance >> bit & 1:
            ratio_x128 = ratio_x128 * factor_x128 >> 128
    if tick > 0:
        ratio_x128 = MAX_UINT256 // ratio_x128
    return SqrtPriceX96(div_up(ratio_x128, 1 << 32))


def tick_at_sqrt_price(sqrt_price_x96: SqrtPriceX96) -> Tick:
    """Return the greatest tick whose lower end is at or below a price.

    Raises: OutOfRangeError outside [MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96).
    Source: v3-core TickMath.getTickAtSqrtRatio
    """
    if not MIN_SQRT_PRICE_X96 <= sqrt_price_x96 < MAX_SQRT_PRICE_X96:
        raise OutOfRangeError(f"sqrt price {sqrt_price_x96} lies outside what a pool can have")
    tick = int((math.log(sqrt_price_x96) - _LOG_Q96) / _LOG_OF_A_TICK)  # or one beside it: integers decide
    while sqrt_price_at_tick(Tick(tick)) > sqrt_price_x96:
        tick -= 1
    while sqrt_price_at_tick(Tick(tick + 1)) <= sqrt_price_x96:
        tick += 1
    return Tick(tick)


def is_at_tick(sqrt_price_x96: SqrtPriceX96, tick: Tick) -> bool:
    """Return whether a price lies within a tick: from its lower end to below that of the next."""
    lower_x96, upper_x96 = prices_of_tick(tick)
    return lower_x96 <= sqrt_price_x96 < upper_x96


@lru_cache(maxsize=1 << 15)
def prices_of_tick(tick: Tick) -> tuple[SqrtPriceX96, SqrtPriceX96]:
    """Return the price from which on a pool is at a tick, and the one at which it no longer is; (0, 0) of a tick that no pool can be at."""
    if not MIN_TICK <= tick < MAX_TICK:
        return SqrtPriceX96(0), SqrtPriceX96(0)
    return sqrt_price_at_tick(tick), sqrt_price_at_tick(Tick(tick + 1))


def max_liquidity_per_tick(tick_spacing: int) -> Liquidity:
    """Return how much liquidity may reference one tick. Source: v3-core Tick.tickSpacingToMaxLiquidityPerTick."""
    return Liquidity(MAX_UINT128 // (2 * (MAX_TICK // tick_spacing) + 1))
