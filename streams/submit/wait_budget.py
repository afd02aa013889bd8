"""Limit how long intents that cannot be judged yet may hold up their partition."""

from collections.abc import Callable

from pipeline.units import ShardId

_RECOVERS_IN = 10
"""How many seconds without waiting give a second of waiting back."""


class WaitBudget:
    """Limits in seconds how long each partition may still be held up: briefly at once, and briefly over a long time.

    What waits at the head of a queue holds up everything behind it. Each wait alone is bounded; anybody may write one
    after the other, so all of them together are bounded as well.
    """

    def __init__(self, most_s: float, clock: Callable[[], float]) -> None:
        """Allow each partition to be held up for `most_s` in total."""
        self._most_s = most_s
        self._clock = clock
        self._used_s: dict[ShardId, float] = {}
        self._seen_at_s: dict[ShardId, float] = {}
        self._holding: set[ShardId] = set()

    def is_spent(self, shard: ShardId) -> bool:
        """Record that a partition is held up now; return whether it has been for too long."""
        self._count(shard)
        self._holding.add(shard)
        return self._used_s[shard] >= self._most_s

    def release(self, shard: ShardId) -> None:
        """Record that a partition continues."""
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
