"""Blocks fetched ahead of the shards: while one batch is appended the next ones are on their way."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from pipeline.errors import NodeError
from pipeline.messages.base import BlockRef
from pipeline.units import Address, BlockNumber, Wei
from streams.node.port import Body, Header, Node

T = TypeVar("T")

_CHUNK_BLOCKS = 20
_CHUNKS_AHEAD = 4
_CHUNKS_KEPT = 12


class Block(msgspec.Struct, frozen=True):
    """A block with what happened in it, and what the asked accounts had after it."""

    header: Header
    body: Body
    native_wei: dict[Address, Wei | None]


class Prefetch:
    """Gives blocks that follow on a head; several shards ask for the same ones."""

    def __init__(self, node: Node) -> None:
        """Fetch nothing yet."""
        self._node = node
        self._accounts: frozenset[Address] = frozenset()
        self._chunks: dict[BlockNumber, asyncio.Task[list[Block]]] = {}
        """Under the chunk's first block, the last used one last; one may begin later and end earlier."""
        self._running: set[asyncio.Task[list[Block]]] = set()

    def ask_for(self, accounts: Iterable[Address]) -> None:
        """Fetch the native balances of these accounts too, from the next chunk on."""
        self._accounts |= frozenset(accounts)

    def forget(self, number: BlockNumber) -> None:
        """Forget the blocks above a height: the branch has changed there."""
        for first in [first for first in self._chunks if first + _CHUNK_BLOCKS > number]:
            del self._chunks[first]

    async def after(self, head: BlockRef, newest: Header) -> list[Block]:
        """Give some blocks that follow on a head without a gap; none where the next is of another branch.

        Raises: NodeError.
        """
        start = BlockNumber(head.number + 1)
        found = _from(start, await self._chunk(start, newest))
        if not found or found[0].header.block.parent_hash != head.hash or _is_stale(found, newest):
            self._drop(start)
            found = _from(start, await self._chunk(start, newest))
        blocks = _linked(head, found)
        if len(blocks) < len(found):
            self._drop(start)
        for ahead in range(1, _CHUNKS_AHEAD + 1):
            self._begin(BlockNumber(_first_of(start) + ahead * _CHUNK_BLOCKS), newest)
        return blocks

    async def close(self) -> None:
        """Stop what is on its way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._chunks.clear()

    async def _chunk(self, number: BlockNumber, newest: Header) -> list[Block]:
        blocks: list[Block] = []
        for _ in range(2):  # the first may have been fetched before the block was there
            task = self._begin(number, newest)
            if task is None:
                return []
            try:
                blocks = await asyncio.shield(task)
            except NodeError:
                self._drop(number)
                raise
            if _from(number, blocks):
                return blocks
            self._drop(number)
        return blocks

    def _begin(self, number: BlockNumber, newest: Header) -> asyncio.Task[list[Block]] | None:
        """Fetch the chunk that holds a block, unless that is done or the block is not there yet."""
        if number > newest.block.number:
            return None
        first = _first_of(number)
        task = self._chunks.pop(first, None)
        if task is None:
            # from the wanted block on: what lies before it in the chunk is known already
            task = asyncio.create_task(self._fetch(number, newest))
            self._running.add(task)
            task.add_done_callback(self._ended)
        self._chunks[first] = task
        while len(self._chunks) > _CHUNKS_KEPT:  # the one longest unused, never the one just asked for
            del self._chunks[next(iter(self._chunks))]
        return task

    def _drop(self, number: BlockNumber) -> None:
        """Forget a chunk; another shard may still wait for it, so it is not stopped."""
        self._chunks.pop(_first_of(number), None)

    def _ended(self, task: asyncio.Task[list[Block]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # or asyncio complains where nobody came to ask for the chunk

    async def _fetch(self, start: BlockNumber, newest: Header) -> list[Block]:
        """Fetch a chunk from a block on, as far as the node has it."""
        end = min(_first_of(start) + _CHUNK_BLOCKS, newest.block.number + 1)
        numbers = [BlockNumber(number) for number in range(start, end)]
        if numbers == [newest.block.number]:
            headers = [newest]
        else:
            headers = _until_none(await self._node.headers(numbers))
        bodies = _until_none(await self._node.bodies(headers))
        headers = headers[: len(bodies)]
        accounts = sorted(self._accounts)
        questions = [(account, header.block.hash) for header in headers for account in accounts]
        answers = iter(await self._node.native_balances(questions) if questions else ())
        return [
            Block(header, body, {account: next(answers) for account in accounts})
            for header, body in zip(headers, bodies, strict=True)
        ]


def _first_of(number: BlockNumber) -> BlockNumber:
    return BlockNumber(number // _CHUNK_BLOCKS * _CHUNK_BLOCKS)


def _from(start: BlockNumber, blocks: Sequence[Block]) -> list[Block]:
    found = [block for block in blocks if block.header.block.number >= start]
    return found if found and found[0].header.block.number == start else []


def _is_stale(blocks: Sequence[Block], newest: Header) -> bool:
    """Ask whether the newest block is by now another than that which was fetched."""
    same = [block for block in blocks if block.header.block.number == newest.block.number]
    return bool(same) and same[0].header.block.hash != newest.block.hash


def _linked(head: BlockRef, blocks: Sequence[Block]) -> list[Block]:
    """Cut off where a block is not the child of the one before: the branch changed while it was fetched."""
    parent, linked = head.hash, []
    for block in blocks:
        if block.header.block.parent_hash != parent:
            break
        linked.append(block)
        parent = block.header.block.hash
    return linked


def _until_none(found: Sequence[T | None]) -> list[T]:
    kept: list[T] = []
    for each in found:
        if each is None:
            break
        kept.append(each)
    return kept
