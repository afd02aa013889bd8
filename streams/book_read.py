"""Read a book from a node at one block, without a log, as the watcher reads what a new book names."""

from pipeline.book.feeds import write_answers
from pipeline.book.sequencer import uptime_feeds, write_uptime
from pipeline.drive import drive
from pipeline.errors import UnreadableError
from pipeline.follow.due_reads import wanted
from pipeline.messages.base import BlockRef
from pipeline.messages.events import ObservationFailed, PolicySet, WriterStarted
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import ShardId, Term
from pipeline.venues.due_read import DueRead
from pipeline.venues.registry import block_calls, venues
from streams.node.chain_reads import observe
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.port import Node
from streams.node.read_feeds import read_feeds, read_uptime
from streams.node.read_words import answers_to
from streams.node.venues.port import ReadContext
from streams.node.venues.registry import holders

_TERM = Term(1)


async def read_book(node: Node, policy: Policy, at: BlockRef) -> Shard:
    """Read everything that a book names, until nothing of it is wanted. It is kept by nobody.

    Raises: UnreadableError where something cannot be read, NodeError.
    """
    shard = Shard(ShardId(0))
    drive(shard, [PolicySet(policy=policy), WriterStarted(term=_TERM, instance="reader")])
    place = ReadContext(chain=policy.chain, block=at, term=_TERM, holders=tuple(holders(policy)))
    before: list[DueRead] = []
    while wants := wanted(shard.tables):
        if wants == before:
            raise UnreadableError(f"{wants[0].item} is read and still wanted")
        before = wants
        async for event in observe(node, place, wants):
            if isinstance(event, ObservationFailed):
                raise UnreadableError(f"{event.item}: {event.reason}")
            drive(shard, [event])
    reader = ContractReader(node, multicall=MULTICALL3, at=at.hash)
    answers = await read_feeds(reader, [feed.feed for feed in policy.feeds()]) if policy.feeds() else []
    write_answers(shard.tables, [each for each in answers if not isinstance(each, UnreadableError)])
    uptime = await read_uptime(reader, sorted(uptime_feeds([policy]))) if policy.chain.sequencer else []
    write_uptime(shard.tables, [each for each in uptime if not isinstance(each, UnreadableError)])
    told = await answers_to(reader, block_calls(shard.tables))
    for venue in venues(shard.tables):
        venue.write_answers(shard.tables, at, told)
    return shard
