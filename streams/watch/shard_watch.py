"""Decide what to append next to one shard's log, from what was read back of it."""

from collections.abc import Callable, Sequence

import msgspec
import structlog

from pipeline.errors import BlockUnknownError, NodeError
from pipeline.follow.log_filter import log_filter
from pipeline.messages.base import BlockRef
from pipeline.messages.events import Event, HeadStalled, WriterStarted
from pipeline.state.policies import policies
from pipeline.units import Address, BlockNumber, Offset, Term
from pipeline.venues.due_read import DueRead
from streams.backoff import Reminder
from streams.kafka.codec import encode
from streams.node.port import Header, Node
from streams.watch.blocks_seen import blocks_seen
from streams.watch.branch import Branch
from streams.watch.clock_lag import Late
from streams.watch.follower import NO_TERM, Follower
from streams.watch.passed_blocks import in_runs
from streams.watch.port import WatchLog
from streams.watch.prefetch import Prefetch
from streams.watch.read_scheduler import ReadScheduler
from streams.watch.standstill import ChainSeen, Standstill
from streams.watch.timing import Timing

log = structlog.get_logger(__name__)

_EVENTS_AT_ONCE = 50
_REMIND_S = 600.0
"""How often it is said that a shard is halted."""


class WatchResources(msgspec.Struct, frozen=True, kw_only=True):
    """The resources that all shards of a watch share: node, log, prefetched blocks, clock."""

    node: Node
    event_log: WatchLog
    prefetch: Prefetch
    timing: Timing
    clock: Callable[[], float]
    multicall: Address
    first_block: BlockNumber | None = None
    """The block at which a shard without blocks begins; None: the newest."""


class ShardWatch:
    """Keeps one shard's log up with the chain."""

    def __init__(self, follower: Follower, resources: WatchResources) -> None:
        """Take a loaded follower; `take_over` must be called first."""
        self.follower = follower
        self._node, self._event_log, self._prefetch = resources.node, resources.event_log, resources.prefetch
        self._timing, self._multicall = resources.timing, resources.multicall
        self._first_block = resources.first_block
        self._branch = Branch(resources.node, timing=resources.timing, clock=resources.clock)
        self._read_scheduler = ReadScheduler(
            follower,
            resources.node,
            timing=resources.timing,
            clock=resources.clock,
            multicall=resources.multicall,
        )
        self._remind = Reminder(_REMIND_S, resources.clock)
        self._term = NO_TERM
        self._marker = Offset(-1)
        self._instance = ""
        self._standstill = Standstill(resources.clock, after_s=resources.timing.stall_after_s)
        self._late: Late | None = None
        """What was told of the chain's lag."""

    # -------------------------------------------------------------- the log
    async def take_over(self, term: Term, instance: str) -> None:
        """Claim the shard and read back whether the claim holds; a halted shard is claimed later. Raises: FencedError."""
        self._term, self._instance = term, instance
        if self.follower.halted is not None:
            return
        claim = encode(WriterStarted(term=term, instance=instance))
        self._marker = await self._event_log.append(self.follower.shard, [claim])
        await self._read_back(self._marker)

    async def step(self, view: ChainSeen) -> bool:
        """Do the next thing that is due. Returns whether the log has grown.

        Raises: FencedError, NodeError, InfrastructureError.
        """
        await self._read_back(None)
        if self.follower.halted is not None and self._remind.is_due():
            log.error(
                "the shard is HALTED, the others go on", shard=self.follower.shard, why=self.follower.halted
            )
        if self.follower.is_idle:
            self._standstill.rests()
            return False
        if view.late != self._late:
            await self._report_late(view.late)
        self._standstill.stands_at(self.follower.tables.head)
        if view.newest is not None and view.answers and await self._keep_up(view.newest):
            self._standstill.went_well()
            self._standstill.stands_at(self.follower.tables.head)
            return True
        if view.answers:
            self._standstill.went_well()
        return await self._report_standstill(view)

    async def failed(self, error: NodeError, view: ChainSeen) -> None:
        """Record that a step ended in an error of the node, and report a standstill that results from it.

        Raises: FencedError, InfrastructureError.
        """
        self._standstill.failed(error)
        await self._report_standstill(view)

    async def _read_back(self, through: Offset | None) -> None:
        for record in await self._event_log.read(self.follower.shard, through=through):
            self.follower.take(record)
        if await self.follower.go_on(self._event_log) and self._marker < 0:
            await self.take_over(self._term, self._instance)
            return
        self.follower.check_writer(self._term, self._marker)

    async def _append(self, events: Sequence[Event]) -> None:
        """Append records, and fold them only once they are read back."""
        payloads = [encode(event) for event in events]
        await self._read_back(await self._event_log.append(self.follower.shard, payloads))

    # -------------------------------------------------------------- the chain
    async def _keep_up(self, newest: Header) -> bool:
        head = self.follower.tables.head
        if head is None:
            first = await self._first(newest)
            return await self._read(first, self._read_scheduler.due(first))
        due = self._read_scheduler.due(head)
        if due:
            if not await self._branch.holds(head, newest):
                return await self._go_back(newest)
            if await self._read(head, due):
                return True
        if newest.block.hash == head.hash:
            return False
        if newest.block.number > head.number and await self._extend(head, newest):
            return True
        return await self._go_back(newest)

    async def _first(self, newest: Header) -> BlockRef:
        """Return the block at which a shard begins. Raises: NodeError where the node has no block at that height yet."""
        if self._first_block is None:
            return newest.block
        (header,) = await self._node.headers([self._first_block])
        if header is None:
            raise BlockUnknownError(f"the node has no block {self._first_block} to begin at")
        return header.block

    async def _read(self, block: BlockRef, wants: Sequence[DueRead]) -> bool:
        """Read items at a block and append what was read, even if the node fails in the middle."""
        pending: list[Event] = []
        grown = False
        try:
            async for event in self._read_scheduler.read(block, wants, self._term):
                pending.append(event)
                if len(pending) == _EVENTS_AT_ONCE:
                    await self._append(pending)
                    pending, grown = [], True
        except NodeError:
            if pending:
                await self._append(pending)
            raise
        if pending:
            await self._append(pending)
        return grown or bool(pending)

    async def _extend(self, head: BlockRef, newest: Header) -> bool:
        """Append the next blocks, up to the first that may change what the shard follows."""
        tables = self.follower.tables
        accounts = (account for policy in policies(tables) for account in policy.accounts)
        self._prefetch.ask_for(self.follower.shard, accounts, log_filter(tables))
        blocks = await self._prefetch.after(head, newest)
        try:
            events = await blocks_seen(
                tables,
                self._node,
                blocks[: self._timing.batch_blocks],
                self._term,
                multicall=self._multicall,
                told=self.follower.told,
            )
        except NodeError:
            self._prefetch.forget(head.number)  # the blocks may have left the chain since they were fetched
            raise
        if events:
            await self._append(list(in_runs(events)))
        return self.follower.tables.head != head

    async def _go_back(self, newest: Header) -> bool:
        """Revert the blocks that are no longer on the node's chain."""
        event = await self._branch.revert(self.follower.tables, newest, self._term)
        if event is None:
            return False
        log.info("reverts blocks", shard=self.follower.shard, to=event.to.number, blocks=len(event.reverted))
        self._prefetch.forget(event.to.number)
        head = self.follower.tables.head
        await self._append([event])
        return self.follower.tables.head != head

    async def _report_late(self, late: Late | None) -> None:
        """Record once that the chain's newest block is old, whether or not the shard has reached it."""
        if late is not None:
            head = self.follower.tables.head
            await self._append(
                [HeadStalled(term=self._term, block=head, age_s=late.behind_s, cause=late.reason)]
            )
        self._late = late

    async def _report_standstill(self, view: ChainSeen) -> bool:
        """Record once that the shard's head stands still, and why."""
        head = self.follower.tables.head
        self._standstill.stands_at(head)
        age_s = self._standstill.due()
        if age_s is None:
            return False
        cause = self._standstill.cause(head, view)
        log.warning("the head stands still", shard=self.follower.shard, age_s=age_s, cause=cause)
        await self._append([HeadStalled(term=self._term, block=head, age_s=age_s, cause=cause)])
        return True
