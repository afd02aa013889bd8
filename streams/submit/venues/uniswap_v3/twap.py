"""Read a pool's past from the pool itself: its time-weighted price and liquidity."""

import msgspec

from pipeline.errors import UnreadableError
from pipeline.math.fixed_point import wrap_int, wrap_uint
from pipeline.units import Liquidity, Seconds, Tick
from pipeline.venues.abi import function

_OBSERVE = function("uniswap-v3/UniswapV3Pool", "observe")
_TICK_BITS, _LIQUIDITY_BITS = 56, 160
_SECONDS_WRAP = 1 << 32


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's observations over a window that ends before a block; the block itself has no weight."""

    mean_tick: Tick
    mean_liquidity: Liquidity
    """The harmonic mean of what was in range: liquidity that comes for one block barely raises it."""


def ask_past(window_s: Seconds) -> bytes:
    """Encode the question to a pool."""
    return _OBSERVE.encode([window_s, 0])


def read_past(answer: bytes, window_s: Seconds) -> Past:
    """Decode the pool's answer.

    Rounds: the tick towards minus infinity, the liquidity down.
    Raises: UnreadableError.
    Source: v3-periphery OracleLibrary.consult
    """
    told = _OBSERVE.answer(answer)
    if [len(each) for each in told] != [2, 2]:
        raise UnreadableError(
            f"observe answers {' and '.join(str(len(each)) for each in told)} values, not 2 and 2"
        )
    (tick_then, tick_now), (liquidity_then, liquidity_now) = told
    ticks = wrap_int(tick_now - tick_then, _TICK_BITS)
    seconds_per_liquidity_x128 = wrap_uint(liquidity_now - liquidity_then, _LIQUIDITY_BITS)
    return Past(
        mean_tick=Tick(ticks // window_s),
        mean_liquidity=Liquidity((window_s << 128) // max(seconds_per_liquidity_x128, 1)),
    )


def age_s(now_s: Seconds, timestamp_s: int) -> Seconds:
    """Return the age of an observation, on the pool's 32-bit clock."""
    return Seconds((now_s - timestamp_s) % _SECONDS_WRAP)
