"""Find the tick at which a swap step stops: initialised ticks are read 256 at a time, and the end of a word ends a step."""

from bisect import bisect_right
from collections.abc import Sequence

from pipeline.math.ticks import MAX_TICK, MIN_TICK
from pipeline.units import Tick

WORD = 256


def stop_below(tick: Tick, spacing: int, initialized: Sequence[Tick]) -> tuple[Tick, bool]:
    """Find where a downward step ends, and whether an initialised tick is there.

    The nearest initialised tick at or below `tick`, but not beyond the first of its word.

    `initialized` is ascending.
    Source: v3-core TickBitmap.nextInitializedTickWithinOneWord
    """
    edge = tick // spacing // WORD * WORD * spacing
    at = bisect_right(initialized, tick)
    if at and initialized[at - 1] >= edge:
        return initialized[at - 1], True
    return Tick(max(edge, MIN_TICK)), False


def stop_above(tick: Tick, spacing: int, initialized: Sequence[Tick]) -> tuple[Tick, bool]:
    """Find where an upward step ends, and whether an initialised tick is there.

    The nearest initialised tick above `tick`, but not beyond the last of the word of tick + spacing.

    `initialized` is ascending.
    Source: v3-core TickBitmap.nextInitializedTickWithinOneWord
    """
    edge = ((tick // spacing + 1) // WORD * WORD + WORD - 1) * spacing
    at = bisect_right(initialized, tick)
    if at < len(initialized) and initialized[at] <= edge:
        return initialized[at], True
    return Tick(min(edge, MAX_TICK)), False


def is_last_of_word(tick: Tick, spacing: int) -> bool:
    """Return whether the spacing that holds `tick` is the last of its word: the only one with its own stop above."""
    return tick // spacing % WORD == WORD - 1
