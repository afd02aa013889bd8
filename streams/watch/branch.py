"""Find where a shard's branch and the node's part, and tell a reorg from a node that lags.

A node that shows less of the chain than the shard knows is behind, whatever the reason: nothing follows from it. The
branch has changed only where the node shows another block, by hash, at a height that the shard knows.
"""

from collections.abc import Callable

import structlog

from pipeline.errors import InfrastructureError
from pipeline.messages.base import BlockRef
from pipeline.messages.events import BlocksReverted
from pipeline.state.tables import Tables
from pipeline.units import BlockNumber, Hash, Term
from streams.node.port import Header, Node
from streams.watch.timing import Timing

log = structlog.get_logger(__name__)

_ASKED_AT_ONCE = 16


class Branch:
    """Checks whether one shard's head is still on the node's chain."""

    def __init__(self, node: Node, *, timing: Timing, clock: Callable[[], float]) -> None:
        """Start without having seen another branch."""
        self._node = node
        self._timing = timing
        self._clock = clock
        self._other_final: tuple[Hash, float] | None = None
        """A block that the node shows in place of a final one, and since when it does."""

    async def holds(self, head: BlockRef, newest: Header) -> bool:
        """Return whether a head is on the node's present branch. Raises: NodeError."""
        if newest.block.hash == head.hash:
            return True
        (theirs,) = await self._node.headers([head.number])
        return theirs is not None and theirs.block.hash == head.hash

    async def revert(self, tables: Tables, newest: Header, term: Term) -> BlocksReverted | None:
        """Find how far the shard must go back; None where the node shows no other block at a height that both have.

        Where the node shows another block in place of one that the shard holds for final, and goes on showing it for a
        while, the event names that block, which halts the shard.

        Raises: NodeError.
        """
        head = tables.head
        if head is None:
            return None
        to = await self._last_common(tables, head, newest)
        if to is None:
            return None
        gone = tuple(block.hash for block in tables.sealed_blocks() if block.number > to.number)
        return BlocksReverted(term=term, to=to, reverted=gone)

    async def _last_common(self, tables: Tables, head: BlockRef, newest: Header) -> BlockRef | None:
        """Search down from the node's newest height for the first block that both have; None where the node shows no other branch."""
        known = _known_heights(tables, head, newest)
        theirs: Header | None = None
        for start in range(0, len(known), _ASKED_AT_ONCE):
            part = known[start : start + _ASKED_AT_ONCE]
            for number, theirs in zip(part, await self._node.headers(part), strict=True):
                if theirs is None:
                    return None
                if theirs.block.hash == _our_hash(tables, head, number):
                    self._other_final = None
                    return None if number == known[0] else theirs.block
        if theirs is None:  # the node is further behind than the shard remembers
            return None
        if tables.final_block() is None:
            return await _before_the_beginning(self._node, theirs.block)
        return self._contradicting(theirs.block)

    def _contradicting(self, theirs: BlockRef) -> BlockRef | None:
        """Return a block that contradicts a final one, once the node has shown it for long enough."""
        now_s = self._clock()
        if self._other_final is None or self._other_final[0] != theirs.hash:
            self._other_final = (theirs.hash, now_s)
            log.warning("the node shows another final block", number=theirs.number, theirs=theirs.hash)
        return theirs if now_s - self._other_final[1] >= self._timing.halt_after_s else None


def _known_heights(tables: Tables, head: BlockRef, newest: Header) -> list[BlockNumber]:
    """List the heights at which both the shard and the node have a block, highest first."""
    known = []
    number = min(head.number, newest.block.number)
    while number >= 0 and _our_hash(tables, head, number) is not None:
        known.append(number)
        number = BlockNumber(number - 1)
    return known


def _our_hash(tables: Tables, head: BlockRef, number: BlockNumber) -> Hash | None:
    return head.hash if number == head.number else tables.branch_hash(number)


async def _before_the_beginning(node: Node, lowest: BlockRef) -> BlockRef | None:
    """Return the block below all that the shard has followed: it must begin again from there. Raises: InfrastructureError."""
    if lowest.number == 0:
        raise InfrastructureError(
            "the node's chain has no block in common with the shard's: is it another chain?"
        )
    (header,) = await node.headers([BlockNumber(lowest.number - 1)])
    return None if header is None else header.block
