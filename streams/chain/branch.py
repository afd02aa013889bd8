"""Where a shard's branch and the node's part, and when that is more than a lag."""

from collections.abc import Callable

from pipeline.errors import InfrastructureError
from pipeline.messages.base import BlockRef
from pipeline.messages.events import BlocksReverted
from pipeline.state import Tables
from pipeline.units import BlockNumber, Hash, Term
from streams.chain.pace import Pace
from streams.chain.port import Header, Node

_ASKED_AT_ONCE = 16


class Branch:
    """Watches over one shard's head: is it still of the node's chain."""

    def __init__(self, node: Node, *, pace: Pace, clock: Callable[[], float]) -> None:
        """Nothing is missing yet."""
        self._node = node
        self._pace = pace
        self._clock = clock
        self._missing: tuple[Hash, float] | None = None
        """Our head, and since when the node's chain ends before it."""

    def found(self) -> None:
        """Note that the node's newest block is our head."""
        self._missing = None

    async def holds(self, head: BlockRef, newest: Header) -> bool:
        """Ask whether a head is on the node's present branch. Raises: NodeError."""
        if newest.block.hash == head.hash:
            return True
        (theirs,) = await self._node.headers([head.number])
        return theirs is not None and theirs.block.hash == head.hash

    async def revert(self, tables: Tables, newest: Header, term: Term) -> BlocksReverted | None:
        """Say how far the shard must go back; None if it need not, or the node lags or wavers.

        Below what the shard can undo it names a block that the shard never knew, which halts it.

        Raises: NodeError.
        """
        head = tables.head
        if head is None or not await self._is_gone(head, newest):
            return None
        to = await _common(tables, self._node, head, newest)
        if to is None:
            return None
        gone = tuple(block.hash for block in tables.sealed_blocks() if block.number > to.number)
        return BlocksReverted(term=term, to=to, reverted=gone)

    async def _is_gone(self, head: BlockRef, newest: Header) -> bool:
        if newest.block.number < head.number:
            return await self._is_rolled_back(head)
        self._missing = None
        (theirs,) = await self._node.headers([head.number])
        return theirs is not None and theirs.block.hash != head.hash

    async def _is_rolled_back(self, head: BlockRef) -> bool:
        """Tell a shorter chain from a node that lags: ask for our head by hash, and for a while."""
        now_s = self._clock()
        if self._missing is None or self._missing[0] != head.hash:
            self._missing = (head.hash, now_s)
        known = await self._node.header(head.hash) is not None
        patience_s = self._pace.lag_limit_s if known else self._pace.gone_after_s
        return now_s - self._missing[1] >= patience_s


async def _common(tables: Tables, node: Node, head: BlockRef, newest: Header) -> BlockRef | None:
    """Walk down the shard's branch to the first block that the node has too."""
    known = _known_below(tables, head)
    heights = [number for number in known if number <= newest.block.number]
    for start in range(0, len(heights), _ASKED_AT_ONCE):
        part = heights[start : start + _ASKED_AT_ONCE]
        for number, theirs in zip(part, await node.headers(part), strict=True):
            if theirs is None:
                return None
            if theirs.block.hash == tables.branch_hash(number):
                return theirs.block
    lowest = known[-1] if known else head.number
    return await _unknown_block(node, BlockNumber(min(lowest - 1, newest.block.number)))


def _known_below(tables: Tables, head: BlockRef) -> list[BlockNumber]:
    """List the heights below the head of which the shard still knows the hash, downwards."""
    known = []
    number = BlockNumber(head.number - 1)
    while number >= 0 and tables.branch_hash(number) is not None:
        known.append(number)
        number = BlockNumber(number - 1)
    return known


async def _unknown_block(node: Node, number: BlockNumber) -> BlockRef | None:
    if number < 0:
        raise InfrastructureError(
            "the node's chain has no block in common with the shard's: is it another chain?"
        )
    (header,) = await node.headers([number])
    return None if header is None else header.block
