"""Waits that double with each failure in a row, and reminders of a condition that lasts."""

import random
import time
from collections.abc import Callable

_MOST_DOUBLINGS = 30


def doubled(first: float, times: int, *, most: float = float("inf")) -> float:
    """Double a wait a number of times, up to the most."""
    return float(min(most, first * 2.0 ** min(times, _MOST_DOUBLINGS)))


def backoff_s(failures: int, *, first_s: float, most_s: float) -> float:
    """Draw the wait after a number of failures in a row; jittered over its upper half, so that no two come back in step."""
    longest_s = doubled(first_s, failures, most=most_s)
    return random.SystemRandom().uniform(longest_s / 2, longest_s)


class Reminder:
    """Tells when something that lasts is to be said: at once, and then every so often."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._clock = every_s, clock
        self._next_s: float | None = None

    def is_due(self) -> bool:
        """Return whether it is to be said now."""
        now_s = self._clock()
        if self._next_s is not None and now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True
