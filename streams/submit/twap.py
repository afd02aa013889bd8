"""A pool's past at a head, as the pool itself answers: its time-weighted price and liquidity."""

import msgspec
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from pipeline.errors import UnreadableError
from pipeline.math.oracle import SECONDS_WRAP
from pipeline.math.q import wrap_int, wrap_uint
from pipeline.units import Liquidity, Seconds, Tick

_OBSERVE = keccak(text="observe(uint32[])")[:4]
_TICK_BITS, _LIQUIDITY_BITS = 56, 160


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A pool over a window up to a block; what happens in that block has no weight."""

    mean_tick: Tick
    mean_liquidity: Liquidity
    """The harmonic mean of what was in range: liquidity that comes for one block barely raises it."""


def ask_past(window_s: Seconds) -> bytes:
    """Write the question to a pool."""
    return _OBSERVE + encode(("uint32[]",), ([window_s, 0],))


def read_past(answer: bytes, window_s: Seconds) -> Past:
    """Read what the pool answered.

    Rounds: the tick towards minus infinity, the liquidity down.
    Raises: UnreadableError.
    Source: v3-periphery OracleLibrary.consult
    """
    try:
        (tick_then, tick_now), (liquidity_then, liquidity_now) = decode(("int56[]", "uint160[]"), answer)
    except (DecodingError, ValueError, OverflowError) as error:
        raise UnreadableError(f"observe answers {error}") from None
    ticks = wrap_int(tick_now - tick_then, _TICK_BITS)
    seconds_per_liquidity_x128 = wrap_uint(liquidity_now - liquidity_then, _LIQUIDITY_BITS)
    return Past(
        mean_tick=Tick(ticks // window_s),
        mean_liquidity=Liquidity((window_s << 128) // max(seconds_per_liquidity_x128, 1)),
    )


def age_s(now_s: Seconds, timestamp_s: int) -> Seconds:
    """Tell how long ago an observation was written, on the pool's clock of 32 bits."""
    return Seconds((now_s - timestamp_s) % SECONDS_WRAP)
