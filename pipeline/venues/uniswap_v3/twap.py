"""Compute time-weighted averages from the followed observations."""

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import wrap_int, wrap_uint
from pipeline.units import Liquidity, Seconds, Tick
from pipeline.venues.uniswap_v3.live_pool import LivePool
from pipeline.venues.uniswap_v3.oracle import observe_slots

_SECONDS_PER_LIQUIDITY_BITS = 160


def observe(live: LivePool, now_s: int, seconds_ago: Seconds) -> tuple[int, int]:
    """Return (tick cumulative, seconds per liquidity Q128) `seconds_ago`, as the pool's `observe` answers.

    Raises: OutOfRangeError where the observations do not reach back so far.
    """
    return observe_slots(
        live.observations,
        index=live.observation_index,
        cardinality=live.observation_cardinality,
        now_s=now_s,
        seconds_ago=seconds_ago,
        tick=live.tick,
        liquidity=live.liquidity,
    )


def mean_tick(live: LivePool, now_s: int, seconds_ago: Seconds) -> Tick:
    """Average the tick over the last `seconds_ago`.

    Rounds: towards minus infinity.
    Raises: OutOfRangeError where the observations do not reach back so far, or for no time at all.
    Source: v3-periphery OracleLibrary.consult
    """
    if seconds_ago <= 0:
        raise OutOfRangeError(f"no mean over {seconds_ago} s")
    then, _ = observe(live, now_s, seconds_ago)
    now, _ = observe(live, now_s, Seconds(0))
    return Tick(wrap_int(now - then, 56) // seconds_ago)


def mean_liquidity(live: LivePool, now_s: int, seconds_ago: Seconds) -> Liquidity:
    """Return the harmonic mean of the liquidity in range over the last `seconds_ago`.

    Rounds: down.
    Raises: OutOfRangeError where the observations do not reach back so far, or for no time at all.
    Source: v3-periphery OracleLibrary.consult
    """
    if seconds_ago <= 0:
        raise OutOfRangeError(f"no mean over {seconds_ago} s")
    _, then_x128 = observe(live, now_s, seconds_ago)
    _, now_x128 = observe(live, now_s, Seconds(0))
    grown_x128 = wrap_uint(now_x128 - then_x128, _SECONDS_PER_LIQUIDITY_BITS)
    return Liquidity((seconds_ago << 128) // max(grown_x128, 1))
