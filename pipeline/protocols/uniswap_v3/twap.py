"""Time-weighted averages from the followed observations."""

from pipeline.protocols.uniswap_v3.live import LivePool
from pipeline.units import Seconds, Tick


def observe(live: LivePool, now_s: int, seconds_ago: Seconds) -> tuple[int, int]:
    """Tell (tick cumulative, seconds per liquidity Q128) of `seconds_ago`, as the pool's `observe` answers."""
    raise NotImplementedError


def mean_tick(live: LivePool, now_s: int, seconds_ago: Seconds) -> Tick:
    """Average the tick over the last `seconds_ago`. Rounds: towards minus infinity, as OracleLibrary."""
    raise NotImplementedError
