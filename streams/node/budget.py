"""Limit the questions to a node per second and per day; callers beyond the limit wait."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from pipeline.errors import NodeBusyError
from streams.human_numbers import duration_text

_LONGEST_WAIT_S = 10.0
"""Further away a turn is none: another node is asked, or fewer questions at once."""
_SECOND_S, _MINUTE_S, _DAY_S = 1.0, 60.0, 86_400.0
_UNBOUNDED = 1 << 30
_WHOLE_PERCENT = 100


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How often a node may be asked by its provider's terms; each question of a batch counts. None: no limit."""

    per_second: int | None = None
    per_day: int | None = None

    @property
    def is_bounded(self) -> bool:
        """Return whether there is any limit."""
        return self.per_second is not None or self.per_day is not None

    def part(self, percent: int) -> "RateLimit":
        """Return the share of the limit for one of several processes that ask the node. Rounds: down; 0 where it is less than one."""
        each = (self.per_second, self.per_day)
        per_second, per_day = (None if most is None else most * percent // _WHOLE_PERCENT for most in each)
        return RateLimit(per_second=per_second, per_day=per_day)

    @property
    def look_every_s(self) -> float:
        """Compute the polling interval that uses half of the limit; the rest is for reading the blocks."""
        per_second = 0.0 if self.per_second is None else _SECOND_S / self.per_second
        per_day = 0.0 if self.per_day is None else _DAY_S / self.per_day
        return 2 * max(per_second, per_day)


def look_every_s(limits: Sequence[RateLimit], quorum: int) -> float:
    """Compute the polling interval that enough nodes for a quorum can afford; nodes with smaller limits are skipped once those are used up."""
    return sorted(each.look_every_s for each in limits)[quorum - 1] if limits else 0.0


class NodeBudget:
    """Schedules questions so that no second and no 24 hours exceed the limit. It counts from the start of the process."""

    def __init__(self, limit: RateLimit, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with the full limit."""
        self.limit = limit
        self._clock = clock
        self._turns: deque[tuple[float, int]] = deque()
        """Of the last second and those to come: when, and how many questions."""
        self._minutes: deque[tuple[float, int]] = deque()
        """Of the last day: each minute's beginning, and its questions."""

    @property
    def most_at_once(self) -> int:
        """Return how many questions may go into one request."""
        return self.limit.per_second or _UNBOUNDED

    @property
    def is_bounded(self) -> bool:
        """Return whether questions are counted."""
        return self.limit.is_bounded

    @property
    def asked_in_a_day(self) -> int:
        """Count the questions of the last 24 hours."""
        while self._minutes and self._minutes[0][0] + _MINUTE_S <= self._clock() - _DAY_S:
            self._minutes.popleft()
        return sum(count for _, count in self._minutes)

    def reserve(self, counts: Sequence[int]) -> list[float]:
        """Reserve a time for each of some requests, none larger than `most_at_once`. Returns in how many seconds each may be sent.

        Raises: NodeBusyError where the last would have to wait for too long, or the day has no questions left; nothing is taken then.
        """
        now_s, total = self._clock(), sum(counts)
        self._check_day(total, now_s)
        turns = self._found(counts, now_s)
        wait_s = max(turns[-1][0] - now_s, 0.0) if turns else 0.0
        if wait_s > _LONGEST_WAIT_S:
            raise NodeBusyError(
                f"the node is not asked: its budget is {self.limit.per_second} questions per second, "
                f"the last of {total} would have to wait for {math.ceil(wait_s)} s"
            )
        if self.limit.per_second is not None:
            self._turns.extend(turns)
        if self.is_bounded:
            self._count(total, now_s)
        return [max(at_s - now_s, 0.0) for at_s, _ in turns]

    def _found(self, counts: Sequence[int], now_s: float) -> list[tuple[float, int]]:
        """Find the earliest times at which no second exceeds its limit."""
        most = self.limit.per_second
        if most is None:
            return [(now_s, count) for count in counts]
        while self._turns and self._turns[0][0] <= now_s - _SECOND_S:
            self._turns.popleft()
        window, found = deque(self._turns), list[tuple[float, int]]()
        used = sum(count for _, count in window)
        at_s = max(now_s, window[-1][0]) if window else now_s
        for count in counts:
            while window and (used + count > most or window[0][0] <= at_s - _SECOND_S):
                at_s = max(at_s, window[0][0] + _SECOND_S)
                used -= window.popleft()[1]
            window.append((at_s, count))
            found.append((at_s, count))
            used += count
        return found

    def _check_day(self, count: int, now_s: float) -> None:
        most = self.limit.per_day
        if most is None or self.asked_in_a_day + count <= most:
            return
        oldest_s = self._minutes[0][0] if self._minutes else now_s
        free_s = math.ceil(oldest_s + _MINUTE_S + _DAY_S - now_s)
        raise NodeBusyError(
            f"the node is not asked: its budget of {most} questions per day is used up, the next are free in {duration_text(free_s)}"
        )

    def _count(self, count: int, now_s: float) -> None:
        if self._minutes and self._minutes[-1][0] > now_s - _MINUTE_S:
            begun_s, before = self._minutes.pop()
            self._minutes.append((begun_s, before + count))
        else:
            self._minutes.append((now_s, count))
