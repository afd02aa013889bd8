"""Say why a shard's head stands still: which question fails, since when and with what, or what the node shows."""

from collections.abc import Callable

import msgspec

from pipeline.errors import NodeError
from pipeline.messages.base import BlockRef
from pipeline.units import Hash, Seconds
from streams.kafka.key_length import LONGEST_NAME
from streams.node.port import Header
from streams.watch.clock_lag import Late

_LONGEST_ERROR = LONGEST_NAME - 24
"""Of several nodes an error may be any length, and a record with a longer text would be taken by nobody."""


class Trouble(msgspec.Struct, frozen=True):
    """An error of the node that lasts."""

    error: str
    since_s: float
    """When the first of its row came, by a clock that only runs forward."""

    def after(self, now_s: float) -> str:
        """Describe what fails, and for how long."""
        cut = self.error if len(self.error) <= _LONGEST_ERROR else self.error[:_LONGEST_ERROR] + "..."
        return f"{cut}; for {int(now_s - self.since_s)} s"


def trouble_after(before: Trouble | None, error: NodeError, now_s: float) -> Trouble:
    """Keep the text of the newest of consecutive errors, and the time of the first."""
    return Trouble(str(error), now_s if before is None else before.since_s)


class ChainSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The chain as the whole watch last saw it."""

    newest: Header | None
    trouble: Trouble | None
    """Why the node did not answer when it was last asked for its newest block; None: it did."""
    late: Late | None = None
    """Whether the newest block is older than the chain's ever are."""

    @property
    def answers(self) -> bool:
        """Whether the node answered the last time it was asked."""
        return self.trouble is None


class Standstill:
    """Since when one shard's head is the same, and what keeps it from moving."""

    def __init__(self, clock: Callable[[], float], *, after_s: float) -> None:
        """Start the clock now: a shard that was just taken over has had no chance to move."""
        self._clock = clock
        self._after_s = after_s
        self._head: Hash | None = None
        self._since_s = clock()
        self._trouble: Trouble | None = None
        self._reported = False

    def failed(self, error: NodeError) -> None:
        """Record that the node failed during a step."""
        self._trouble = trouble_after(self._trouble, error, self._clock())

    def went_well(self) -> None:
        """Record that a step met no error of the node."""
        self._trouble = None

    def rests(self) -> None:
        """Restart the clock: the shard has nothing to follow, or waits for an operator."""
        self._since_s, self._reported = self._clock(), False

    def stands_at(self, head: BlockRef | None) -> None:
        """Record the head."""
        found = None if head is None else head.hash
        if found != self._head:
            self._head = found
            self.rests()

    def due(self) -> Seconds | None:
        """Return how long a standstill that was not reported yet has lasted; None where there is none."""
        age_s = self._clock() - self._since_s
        if self._reported or age_s < self._after_s:
            return None
        self._reported = True
        return Seconds(int(age_s))

    def cause(self, head: BlockRef | None, view: ChainSeen) -> str:
        """Explain why no block follows, in at most as many characters as a record may hold."""
        now_s = self._clock()
        if view.trouble is not None:
            return view.trouble.after(now_s)
        if self._trouble is not None:
            return self._trouble.after(now_s)
        if view.newest is None:
            return "the node has not shown any block yet"
        newest = view.newest.block
        if head is None or newest.hash == head.hash:
            return f"the node shows no block after {newest.number}"
        if newest.number <= head.number:
            return f"the node is behind: its newest block is {newest.number}, the shard is at {head.number}"
        return f"the node shows block {newest.number}, but not what follows on block {head.number}"
