"""Find the smallest integer at which a condition holds, by a search that starts from a guess."""

from collections.abc import Callable

_WIDER = 8


def first_where(holds: Callable[[int], bool], low: int, high: int, guess: int) -> int:
    """Find by bisection the least number of [low, high] for which `holds`; high + 1 where there is none.

    `holds` must not become False again. The guess decides how often it is asked, not the answer.
    """
    below, above = low - 1, high + 1
    at, reach = min(max(guess, low), high), 1
    while above - below > 1:
        if holds(at):
            above = at
        else:
            below = at
        if below >= low and above <= high:
            at = (below + above) // 2
        else:
            at = max(above - reach, low) if above <= high else min(below + reach, high)
            reach *= _WIDER
    return above
