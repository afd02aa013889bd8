"""The one back-off: waits that double with each failure in a row."""

import random


def backoff_s(failures: int, *, first_s: float, most_s: float) -> float:
    """Draw the wait behind so many failures; jittered over its upper half, so that no two come back in step."""
    longest_s = min(most_s, first_s * 2 ** min(failures, 30))
    return random.SystemRandom().uniform(longest_s / 2, longest_s)
