"""Print ranges for people: prices of the base, with their ticks."""

from pipeline.math.log_prices import price_at_log
from pipeline.units import LogPrice, Tick
from streams.human_numbers import price_text

_DIGITS = 5
"""Of a price at the end of a range."""
_NO_END_TICK = 880_000
"""A range to here or beyond has no end: which of the last ticks it is follows from the pool's spacing."""


def range_text(ticks: tuple[Tick, Tick], decimals: tuple[int, int], *, base_is_0: bool) -> str:
    """Show a range in prices of the base, lowest first, with its ticks. `decimals` are those of token0 and token1."""
    return f"{prices_text(ticks, decimals, base_is_0=base_is_0)} (ticks {ticks[0]}..{ticks[1]})"


def prices_text(ticks: tuple[Tick, Tick], decimals: tuple[int, int], *, base_is_0: bool) -> str:
    """Show a range in prices of the base, lowest first."""
    ends = [_end_text(tick, decimals, base_is_0=base_is_0) for tick in ticks]
    low, high = ends if base_is_0 else reversed(ends)
    return f"{low}–{high}"  # noqa: RUF001 - a range is written so


def _end_text(tick: Tick, decimals: tuple[int, int], *, base_is_0: bool) -> str:
    if abs(tick) >= _NO_END_TICK:
        return "0" if (tick < 0) == base_is_0 else "∞"
    return price_text(price_at_log(LogPrice(tick)), *decimals, base_is_0=base_is_0, digits=_DIGITS)
