"""Compare the newest block's time with the clock: nodes that all lag, or are all cut off, agree with each other."""

import time
from collections.abc import Callable

import msgspec
import structlog

from pipeline.units import Seconds
from streams.human_numbers import duration_text
from streams.node.port import Header, Node

log = structlog.get_logger(__name__)


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """The newest block is older than this chain's newest block should ever be."""

    behind_s: Seconds
    """Its age by this machine's clock, when that was first too much."""
    reason: str


class ClockLag:
    """Compares the newest block's time with this machine's clock. It is late beyond a bound, and no longer late below half of it."""

    def __init__(self, node: Node, bound_s: Seconds | None, *, wall: Callable[[], float] = time.time) -> None:
        """Set how old the newest block of the chain may be; None: unknown, and nothing is reported."""
        self._node, self._bound_s, self._wall = node, bound_s, wall
        self.late: Late | None = None

    async def look(self, newest: Header) -> None:
        """Compare the newest block with the clock. Raises: NodeError where the node does not answer."""
        if self._bound_s is None:
            return
        behind_s = Seconds(int(self._wall()) - newest.block.timestamp_s)
        if self.late is not None and behind_s <= self._bound_s // 2:
            log.info("the newest block is current again", block=newest.block.number)
            self.late = None
        elif self.late is None and behind_s > self._bound_s and not await self._node.keeps_own_time():
            self.late = Late(behind_s=behind_s, reason=_reason(newest, behind_s, self._bound_s))
            log.warning("the chain is not at the clock's time", reason=self.late.reason)


def _reason(newest: Header, behind_s: int, bound_s: int) -> str:
    return (
        f"block {newest.block.number}, the newest, is {duration_text(behind_s)} behind this machine's clock, more than "
        f"{duration_text(bound_s)}: all nodes that were asked lag or are cut off, the chain stands still, or the clock is wrong"
    )
