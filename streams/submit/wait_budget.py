"""Limit how long intents that cannot be judged yet may hold up their partition."""

from collections.abc import Callable

from pipeline.units import ShardId

_RECOVERS_IN = 10
"""How many seconds without waiting give a second of waiting back."""


class WaitBudget:
    """Seconds that each partition may still be held up: few at once, and few in a long time.

    What waits at the head of a queue holds up everything behind it. Each wait alone is bounded; anybody may write one
    after the other, so all of them together are bounded as well.
    """

    def __init__(self, most_s: float, clock: Callable[[], float]) -> None:
        """Allow a partition to be held up for `most_s` altogether."""
        self._most_s = most_s
        self._clock = clock
        self._used_s: dict[ShardId, float] = {}
        self._seen_at_s: dict[ShardId, float] = {}
        self._holding: set[ShardId] = set()

    def is_spent(self, shard: ShardId) -> bool:
        """Note that a partition is held up now; tell whether it has been for long enough."""
        self._count(shard)
        self._holding.add(shard)
        return self._used_s[shard] >= self._most_s

    def release(self, shard: ShardId) -> None:
        """Note that a partition goes on."""
        if shard in self._holding:
            self._count(shard)
            self._holding.discard(shard)

    def _count(self, shard: ShardId) -> None:
        now_s = self._clock()
        elapsed_s = now_s - self._seen_at_s.get(shard, now_s)
        used_s = self._used_s.get(shard, 0.0)
        self._used_s[shard] = (
            used_s + elapsed_s if shard in self._holding else max(used_s - elapsed_s / _RECOVERS_IN, 0.0)
        )
        self._seen_at_s[shard] = now_s
