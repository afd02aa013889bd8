"""Compute a book at one block with the shard's own fold, in memory, from what is read there."""

from collections.abc import Sequence

from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.advance.books import judge_book
from pipeline.book.inventory import Tracked
from pipeline.drive import drive
from pipeline.errors import BlockUnknownError
from pipeline.follow.due_reads import wanted
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.decisions import Declined
from pipeline.messages.entries import BookPath
from pipeline.messages.events import ObservationFailed, PolicySet, WriterStarted
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import Address, BlockNumber, Offset, ShardId, Term
from streams.node.chain_reads import observe
from streams.node.port import Header, Node
from streams.node.venues.port import ReadContext
from streams.node.venues.registry import holders
from streams.present_books import BookNow, ShardNow, books_at
from streams.watch.blocks_seen import blocks_seen
from streams.watch.prefetch import Block

_TERM = Term(1)


async def book_at(
    node: Node, policy: Policy, head: Header, *, multicall: Address
) -> tuple[BookNow, list[Output]]:
    """Compute a book at a block, and decide there: read at the parent block, then follow the block as a watcher does.

    Returns what the fold led to besides. Raises: NodeError, StateGoneError where the node does not have the parent's state.
    """
    shard = Shard(ShardId(0))
    outputs = drive(shard, [WriterStarted(term=_TERM, instance="look"), PolicySet(policy=policy)])
    (parent,) = await node.headers([BlockNumber(head.block.number - 1)])
    if parent is None or parent.block.hash != head.block.parent_hash:
        raise BlockUnknownError(f"block {head.block.number} has left the node's chain meanwhile: look again")
    failed, told = await _read_all(node, shard, parent.block, multicall)
    (body,) = await node.bodies([head])
    if body is None:
        raise BlockUnknownError(f"the node does not know what happened in block {head.block.number}")
    block = Block(head, body, {})
    outputs += told
    at_head = drive(shard, await blocks_seen(shard.tables, node, [block], _TERM, multicall=multicall))
    is_whole = not wanted(shard.tables)
    failed_at_head, told = await _read_all(node, shard, head.block, multicall)
    if not is_whole:
        at_head = [*(each for each in at_head if not isinstance(each, Declined)), *_decide_again(shard, head)]
    return book_in_memory(shard, [*failed, *failed_at_head]), [*outputs, *at_head, *told]


def _decide_again(shard: Shard, head: Header) -> tuple[Output, ...]:
    """Decide on the book once more at its head: what came with the block, such as an NFT that was minted in it, has been read since."""
    (policy,) = policies(shard.tables)
    tables = shard.tables
    path = tables.need(keys.path(policy.book), BookPath)
    tables.put(keys.path(policy.book), replace(path, declined_gate=None, declined_reason=None))
    now = Provenance(shard=shard.id, offset=shard.cursor, block=head.block, chain_id=policy.chain.chain_id)
    context = BookContext(
        shard=shard, policy=policy, block=head.block, base_fee_wei=head.base_fee_wei, now=now
    )
    return judge_book(context, Tracked(swaps=[], quarantined={}))


async def _read_all(
    node: Node, shard: Shard, block: BlockRef, multicall: Address
) -> tuple[list[str], list[Output]]:
    """Read at a block until nothing more is wanted. Returns what cannot be read, with the reasons, and the results of the rest."""
    (policy,) = policies(shard.tables)
    place = ReadContext(
        chain=policy.chain, block=block, term=_TERM, holders=tuple(sorted(set(holders(policy))))
    )
    failed: dict[str, str] = {}
    outputs: list[Output] = []
    while due := [want for want in wanted(shard.tables) if want.item not in failed]:
        events = [event async for event in observe(node, place, due, multicall=multicall)]
        failed |= {event.item: event.reason for event in events if isinstance(event, ObservationFailed)}
        outputs += drive(shard, events)
    return list(failed.values()), outputs


def book_in_memory(shard: Shard, failed: Sequence[str] = ()) -> BookNow:
    """Compute the one book of a shard without a log; what could not be read is marked."""
    at = ShardNow(
        shard=shard,
        head=shard.tables.head,
        cursor=Offset(shard.cursor),
        records_behind=0,
        waiting_since_ms=None,
        halted=None,
    )
    (book,) = books_at(at)
    return replace(book, marks=(*book.marks, *failed))
