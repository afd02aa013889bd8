"""Compare implementations by turns in one run, so that a busy machine slows all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping

ROUNDS = 7


def by_turns(ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Measure each way's processor time, in seconds: the median of so many rounds. One round before them warms up."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, run in ways.items():
            gc.collect()
            begun = time.process_time()
            run()
            taken[name].append(time.process_time() - begun)
    return {name: statistics.median(each[1:]) for name, each in taken.items()}
