"""Compute the confidence interval of a mean by block bootstrap, which keeps neighbouring observations together."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

DRAWS = 1_000
_SEED = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def interval_of_mean(values: Sequence[float], *, outside: float = 0.05) -> tuple[float, float]:
    """Estimate between which bounds the mean lies, but for a share `outside`, half of it on each side.

    The draws are a fixed sequence, so that the same values have the same interval everywhere.
    """
    length = min(len(values), 1 + math.ceil(len(values) ** (1 / 3)))
    sums = [0.0, *accumulate(values)]
    blocks = [sums[start + length] - sums[start] for start in range(len(values) - length + 1)]
    drawn = -(-len(values) // length)
    numbers = _splitmix64(_SEED)
    means = sorted(
        math.fsum(blocks[number % len(blocks)] for number in islice(numbers, drawn)) / (drawn * length)
        for _ in range(DRAWS)
    )
    tail = int(DRAWS * outside / 2)
    return means[tail], means[-1 - tail]


def _splitmix64(state: int) -> Iterator[int]:
    """Yield 64-bit numbers of Vigna's generator."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _WORD
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
        yield mixed ^ (mixed >> 31)
