"""Schedule a shard's reads at its head: what is wanted, what is due for a check, what failed lately."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec
import structlog

from pipeline import keys
from pipeline.errors import NodeError
from pipeline.follow.due_reads import wanted
from pipeline.messages.base import BlockRef
from pipeline.messages.entries import Route
from pipeline.messages.events import ObservationFailed, Observed
from pipeline.state.policies import policies, profile
from pipeline.state.tables import Tables
from pipeline.units import Address, BlockNumber, Hash, Term
from pipeline.venues.due_read import DueRead
from pipeline.venues.registry import venues_of
from streams.backoff import doubled
from streams.node.chain_reads import observe
from streams.node.port import Node
from streams.node.venues.port import ReadContext
from streams.node.venues.registry import holders
from streams.watch.follower import Follower
from streams.watch.timing import Timing

log = structlog.get_logger(__name__)

_FAILED_ROUNDS = 3
"""How often in a row the node may fail in the middle of reads before blocks go on without them."""


class _Failure(msgspec.Struct, frozen=True):
    """A failed read: its recorded reason, how many times in a row it failed, and when it is tried again."""

    recorded: str | None
    """The reason in the log; None where only the node had trouble."""
    tries: int
    next_block: BlockNumber
    next_at_s: float


class ReadScheduler:
    """Schedules one shard's reads."""

    def __init__(
        self,
        follower: Follower,
        node: Node,
        *,
        timing: Timing,
        clock: Callable[[], float],
        multicall: Address,
    ) -> None:
        """Start without any read."""
        self._follower = follower
        self._node = node
        self._timing = timing
        self._clock = clock
        self._multicall = multicall
        self._failures: dict[str, _Failure] = {}
        self._failed_rounds = 0
        self._checked_at: Hash | None = None

    def due(self, block: BlockRef) -> list[DueRead]:
        """List what is to be read at a block: checks of the shard's head first, then wanted items."""
        return [*self._due_checks(), *self._due_wants(block)]

    async def read(
        self, block: BlockRef, wants: Sequence[DueRead], term: Term
    ) -> AsyncIterator[Observed | ObservationFailed]:
        """Read items, and return what is worth a record: the reason why a contract cannot be read is returned once.

        A node that fails is no such reason. After some rounds the reads are put off, so that blocks go on; what was
        wanted stays wanted, and its book declines meanwhile.

        Raises: NodeError.
        """
        chain = profile(self._follower.tables)
        assert chain is not None
        have = {each for policy in policies(self._follower.tables) for each in holders(policy)}
        acting = frozenset(
            token.address
            for policy in policies(self._follower.tables)
            if policy.mode == "live"
            for token in policy.tokens
        )
        place = ReadContext(chain=chain, block=block, term=term, holders=tuple(sorted(have)), acting=acting)
        if any(want.why == "check" for want in wants):
            self._checked_at = block.hash
        left = {want.item: want for want in wants}
        try:
            async for event in observe(self._node, place, wants, multicall=self._multicall):
                want = left.pop(event.item)
                if not isinstance(event, ObservationFailed) or await self._is_news(want, event):
                    yield event
            self._failed_rounds = 0
        except NodeError as error:
            self._failed_rounds += 1
            if self._failed_rounds < _FAILED_ROUNDS:
                raise
            self._put_off([want for want in left.values() if want.why != "check"], block, str(error))

    # -------------------------------------------------------------- what failed
    async def _is_news(self, want: DueRead, failed: ObservationFailed) -> bool:
        """Record a failure, unless the block is gone: then the branch is checked next."""
        block = failed.block
        if await self._node.header(block.hash) is None:
            return False
        shard = self._follower.shard
        log.warning("cannot be read", shard=shard, item=want.item, why=want.why, reason=failed.reason)
        return want.why != "check" and self._note(failed)

    def _note(self, failed: ObservationFailed) -> bool:
        """Set when to try again. Returns whether the reason differs from the one last recorded."""
        before = self._failures.get(failed.item)
        self._try_later(failed.item, failed.block, failed.reason)
        return before is None or before.recorded != failed.reason

    def _put_off(self, wants: Sequence[DueRead], block: BlockRef, error: str) -> None:
        """Postpone these reads: the node fails, which says nothing about the items."""
        shard = self._follower.shard
        for want in wants:
            self._try_later(want.item, block, None)
        if wants:
            log.warning("reads are put off", shard=shard, items=len(wants), first=wants[0].item, error=error)

    def _try_later(self, item: str, block: BlockRef, reason: str | None) -> None:
        """Wait twice as long as last time, in blocks and in seconds, since the reason was found on the chain."""
        before = self._failures.get(item)
        tries = 1 if before is None else before.tries + 1
        self._failures[item] = _Failure(
            recorded=reason if reason is not None or before is None else before.recorded,
            tries=tries,
            next_block=BlockNumber(
                block.number + int(doubled(1, tries - 1, most=self._timing.reread_most_blocks))
            ),
            next_at_s=self._clock() + doubled(1, tries - 1, most=self._timing.reread_most_s),
        )

    # -------------------------------------------------------------- what is due
    def _due_wants(self, block: BlockRef) -> list[DueRead]:
        """Leave out wanted items whose retry is not due yet; forget items that nobody wants any more."""
        wants = wanted(self._follower.tables)
        items = {want.item for want in wants}
        self._failures = {item: each for item, each in self._failures.items() if item in items}
        now_s = self._clock()
        failed = self._failures
        return [
            want
            for want in wants
            if want.item not in failed
            or block.number >= failed[want.item].next_block
            or now_s >= failed[want.item].next_at_s
        ]

    def _due_checks(self) -> list[DueRead]:
        """List the pools, positions and balances to compare at this head, except those that are wanted there anyway."""
        tables = self._follower.tables
        chain, head = profile(tables), tables.head
        if chain is None or head is None or head.number % chain.check_every_blocks:
            return []
        if self._checked_at == head.hash:  # tried once: what could not be read goes unchecked
            return []
        at, done = self._follower.checked
        items = set(_checked_items(tables)) - (done if at == head.hash else set())
        items -= {want.item for want in wanted(tables)}  # to repair it, or because its pool was read after it
        return [DueRead(item=item, why="check") for item in sorted(items) if _is_due(tables, item, head)]


def _checked_items(tables: Tables) -> Iterator[str]:
    """Name the items compared with the chain every `check_every_blocks`: those that a missed log could make wrong."""
    for policy in policies(tables):
        for venue in venues_of(policy.chain):
            yield from venue.checked_items(tables, policy)


def _is_due(tables: Tables, item: str, head: BlockRef) -> bool:
    """Leave out items that were never read, or were just read here; the shard itself ignores those in quarantine."""
    route = tables.find(keys.route(item), Route)
    return route is not None and route.observed_at_block not in {None, head.number}
