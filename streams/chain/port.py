"""What the watcher needs of a node. `node.py` asks a real one, `fake.py` is one in memory."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.units import Address, BlockNumber, ChainId, Hash, Wei


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A block without what happened in it."""

    block: BlockRef
    base_fee_wei: Wei
    transactions: tuple[Hash, ...]
    logs_bloom: int


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a block, checked against its header."""

    logs: tuple[RawLog, ...]
    receipts: tuple[Receipt, ...]


class Node(Protocol):
    """A chain as one node tells it.

    A block the node does not know is None, never an empty one. Every question is bounded in time.
    Raises: NodeError where the node does not answer or contradicts itself, NodeRefusedError where it says no.
    """

    async def chain_id(self) -> ChainId:
        """Ask which chain the node follows."""
        ...

    async def newest(self) -> Header:
        """Ask for the newest block."""
        ...

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        """Ask for blocks of the present branch by height."""
        ...

    async def header(self, block_hash: Hash) -> Header | None:
        """Ask for a block by hash, of whichever branch."""
        ...

    async def bodies(self, headers: Sequence[Header]) -> list[Body | None]:
        """Ask for what happened in blocks, by their hashes."""
        ...

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract as the state was after a block, given by hash."""
        ...

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Ask what accounts had after blocks; None where the node no longer has the state."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
