"""Average the squared price moves over one stride of time over all starting points of the stride."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

OFFSETS = 8
"""Clocks of one stride, each started an eighth of the stride later than the last."""


class LogPrices(NamedTuple):
    """A pool's log price, each valid from its moment until the next one; the last until `end_s`."""

    at_s: Sequence[int]
    """The times, ascending; of several equal ones the last counts."""
    log: Sequence[float]
    end_s: int
    every_s: int = 1
    """The sampling interval of the prices, below which a stride has no further information."""

    @property
    def span_s(self) -> int:
        """The length of time for which the price is known."""
        return self.end_s - self.at_s[0]


class Moves(NamedTuple):
    """The price moves over all intervals of one stride."""

    stride_s: int
    squares: list[float]
    """The squared moves of the log price per interval, averaged over the offsets."""
    bipower: float
    """The mean product of neighbouring moves, scaled to the mean square of moves without jumps."""

    @property
    def square(self) -> float:
        """The mean of the squared moves."""
        return math.fsum(self.squares) / len(self.squares)


def intervals(prices: LogPrices, stride_s: int) -> int:
    """Count the whole intervals that every clock of a stride has."""
    return prices.span_s // stride_s - 1


def moves_at(prices: LogPrices, stride_s: int) -> Moves:
    """Measure the moves over a stride. Sums are rounded once, so that no order of adding shows in them."""
    count = intervals(prices, stride_s)
    clocks = [_moves(prices, stride_s, stride_s * offset // OFFSETS, count) for offset in range(OFFSETS)]
    squares = [0.0] * count
    for clock in clocks:
        for interval, move in clock.items():
            squares[interval] += move * move / OFFSETS
    products = math.fsum(
        abs(move * clock[interval + 1])
        for clock in clocks
        for interval, move in clock.items()
        if interval + 1 in clock
    )
    return Moves(stride_s, squares, math.pi / 2 * products / (OFFSETS * (count - 1)))


def _moves(prices: LogPrices, stride_s: int, offset_s: int, count: int) -> dict[int, float]:
    """Find the intervals of one clock in which the price moved, and by how much."""
    first_s = prices.at_s[0] + offset_s
    start = bisect_right(prices.at_s, first_s)
    stop = bisect_right(prices.at_s, first_s + count * stride_s)
    before = prices.log[start - 1]
    last = {(prices.at_s[n] - first_s - 1) // stride_s: prices.log[n] for n in range(start, stop)}
    moves = {}
    for interval, after in last.items():
        moves[interval] = after - before
        before = after
    return moves
