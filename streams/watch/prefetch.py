"""Fetch blocks ahead of the shards, so that the next ones arrive while a batch is appended."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from pipeline.errors import NodeError
from pipeline.follow.log_filter import LogFilter
from pipeline.messages.base import BlockRef
from pipeline.units import Address, BlockNumber, ShardId, Wei
from streams.node.port import Body, Header, Node
from streams.watch.quiet_blocks import AccountsAt, QuietTest, accounts_over
from streams.watch.scopes import scope_of

T = TypeVar("T")

_FIRST_BLOCKS, _MOST_BLOCKS = 20, 160
"""Of one chunk: at first, and where hardly a block concerns any shard."""
_MOST_BODIES = 20
"""Of one chunk: those of a full block weigh a megabyte."""
_CHUNKS_AHEAD = 4
_FEWEST_KEPT = _CHUNKS_AHEAD + 2
"""Chunks: the one in use, and those on their way."""
_BLOCKS_KEPT = 16_000
"""Of all chunks, for shards that are far behind another: some 25 MB."""
_BODY_COUNTS = 66
"""What happened in a block counts for so many blocks in which nothing did."""


class Block(msgspec.Struct, frozen=True):
    """A block with its logs and receipts, and what the requested accounts had after it."""

    header: Header
    body: Body | None
    """What concerned any shard, by what they followed when it was fetched; None where nothing did."""
    native_wei: dict[Address, Wei | None]
    silent: frozenset[Address] = frozenset()
    """Accounts that certainly sent no transaction in it."""


class _Chunk(msgspec.Struct, eq=False):
    """Blocks that are being fetched, from one height up to before another; fewer may arrive."""

    first: BlockNumber
    end: BlockNumber
    task: asyncio.Task[list[Block]]
    weight: int
    """How much memory it takes, in blocks in which nothing happened."""


class Prefetch:
    """Fetches the blocks behind a head ahead of time; several shards ask for the same ones.

    The number of blocks in a chunk is doubled while few of them concern any shard, and halved where many do or the node has trouble.
    """

    def __init__(self, node: Node) -> None:
        """Start without fetching anything."""
        self._node = node
        self._accounts: frozenset[Address] = frozenset()
        self._filters: dict[ShardId, LogFilter] = {}
        self._chunks: list[_Chunk] = []
        """The last used one last; no two of them overlap."""
        self._blocks = _FIRST_BLOCKS
        self._running: set[asyncio.Task[list[Block]]] = set()

    def ask_for(self, shard: ShardId, accounts: Iterable[Address], mine: LogFilter | None) -> None:
        """Fetch the native balances of these accounts too, from the next chunk on, and the bodies of blocks that concern a shard."""
        self._accounts |= frozenset(accounts)
        if mine is not None:
            self._filters[shard] = mine

    def forget(self, number: BlockNumber) -> None:
        """Drop the blocks above a height: the branch has changed there."""
        self._chunks = [chunk for chunk in self._chunks if chunk.end <= number]

    async def after(self, head: BlockRef, newest: Header) -> list[Block]:
        """Return consecutive blocks behind a head; none where the next block is on another branch.

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
        self._fetch_ahead(start, newest)
        return blocks

    async def close(self) -> None:
        """Cancel the fetches under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._chunks.clear()

    async def _chunk(self, number: BlockNumber, newest: Header) -> list[Block]:
        blocks: list[Block] = []
        for _ in range(2):  # the first may have been fetched before the block was there
            chunk = self._begin(number, newest)
            if chunk is None:
                return []
            try:
                blocks = await asyncio.shield(chunk.task)
            except NodeError:
                self._drop(number)
                raise
            if _from(number, blocks):
                return blocks
            self._drop(number)
        return blocks

    def _fetch_ahead(self, start: BlockNumber, newest: Header) -> None:
        """Start fetching the chunks behind the one that holds a block."""
        held = self._holding(start)
        next_first = start if held is None else held.end
        for _ in range(_CHUNKS_AHEAD):
            chunk = self._begin(next_first, newest)
            if chunk is None:
                return
            next_first = chunk.end

    def _holding(self, number: BlockNumber) -> _Chunk | None:
        return next((chunk for chunk in self._chunks if chunk.first <= number < chunk.end), None)

    def _begin(self, number: BlockNumber, newest: Header) -> _Chunk | None:
        """Start fetching the chunk that holds a block, unless it was fetched or the block does not exist yet."""
        if number > newest.block.number:
            return None
        chunk = self._holding(number)
        if chunk is None:
            later = (each.first for each in self._chunks if each.first > number)
            end = BlockNumber(min(number + self._blocks, newest.block.number + 1, *later))
            task = asyncio.create_task(self._fetch(number, end, newest))
            self._running.add(task)
            chunk = _Chunk(number, end, task, weight=end - number)
            task.add_done_callback(partial(self._ended, chunk))
        else:
            self._chunks.remove(chunk)
        self._chunks.append(chunk)
        self._let_go()
        return chunk

    def _let_go(self) -> None:
        """Drop the chunks unused for longest while all together exceed the memory bound; never the one just requested."""
        weight = sum(chunk.weight for chunk in self._chunks)
        while len(self._chunks) > _FEWEST_KEPT and weight > _BLOCKS_KEPT:
            weight -= self._chunks.pop(0).weight

    def _drop(self, number: BlockNumber) -> None:
        """Drop a chunk; its fetch goes on, since another shard may wait for it."""
        chunk = self._holding(number)
        if chunk is not None:
            self._chunks.remove(chunk)

    def _ended(self, chunk: _Chunk, task: asyncio.Task[list[Block]]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        if task.exception() is not None:  # asked, or asyncio complains where nobody came for the chunk
            self._blocks = max(1, self._blocks // 2)
            return
        chunk.weight = sum(1 if block.body is None else _BODY_COUNTS for block in task.result())
        self._let_go()

    async def _fetch(self, first: BlockNumber, end: BlockNumber, newest: Header) -> list[Block]:
        """Fetch the blocks from one height up to before another, as many as the node has and memory allows."""
        numbers = [BlockNumber(number) for number in range(first, end)]
        if numbers == [newest.block.number]:
            headers = [newest]
        else:
            headers = _until_none(await self._node.headers(numbers))
        senders = frozenset[Address]().union(*(mine.senders for mine in self._filters.values()))
        known = await accounts_over(self._node, self._accounts, senders, headers)
        wanted = self._wanted(headers, known)
        self._adapt(len(headers), len(wanted))
        if len(wanted) > _MOST_BODIES:
            headers = headers[: headers.index(wanted[_MOST_BODIES])]
            wanted = wanted[:_MOST_BODIES]
        scope = scope_of(self._filters.values()) if self._filters else None
        bodies = await self._node.bodies(wanted, scope) if wanted else []
        found = {header.block.hash: body for header, body in zip(wanted, bodies, strict=True)}
        blocks: list[Block] = []
        for header, at in zip(headers, known, strict=False):
            body = found.get(header.block.hash)
            if body is None and header.block.hash in found:  # the block has left the chain
                break
            blocks.append(Block(header, body, at.native_wei, at.silent))
        return blocks

    def _wanted(self, headers: Sequence[Header], known: Sequence[AccountsAt]) -> list[Header]:
        """List the blocks that may concern a shard; all of them where no shard has said what it follows."""
        tests = [QuietTest(mine) for mine in self._filters.values()]
        return [
            header
            for header, at in zip(headers, known, strict=True)
            if not tests or not all(test.is_quiet(header, at.silent) for test in tests)
        ]

    def _adapt(self, blocks: int, wanted: int) -> None:
        """Make the next chunk longer or shorter, by how many of these blocks had to be kept with their bodies."""
        if wanted > _MOST_BODIES:
            self._blocks = max(_FIRST_BLOCKS, self._blocks // 2)
        elif blocks >= self._blocks and wanted <= _MOST_BODIES // 2:
            self._blocks = min(_MOST_BLOCKS, self._blocks * 2)


def _from(start: BlockNumber, blocks: Sequence[Block]) -> list[Block]:
    found = [block for block in blocks if block.header.block.number >= start]
    return found if found and found[0].header.block.number == start else []


def _is_stale(blocks: Sequence[Block], newest: Header) -> bool:
    """Return whether the newest block is no longer the one that was fetched."""
    same = [block for block in blocks if block.header.block.number == newest.block.number]
    return bool(same) and same[0].header.block.hash != newest.block.hash


def _linked(head: BlockRef, blocks: Sequence[Block]) -> list[Block]:
    """Keep the blocks up to the first that is no child of the one before: the branch changed while they were fetched."""
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
