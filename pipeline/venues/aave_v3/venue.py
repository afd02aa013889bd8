"""Aave V3 as a venue: one pool and the accounts of books' owners. It trades and prices nothing; books are hedged there."""

from collections.abc import Iterator, Sequence

from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import CallRead
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.venues.aave_v3 import block_prices, held, log_filter, reads, routes
from pipeline.venues.aave_v3.act.hedge import AaveHedge
from pipeline.venues.aave_v3.block import AaveBlock
from pipeline.venues.aave_v3.deployment import CONTRACTS, deployment_of
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveMarket,
    AaveReserve,
    AaveTold,
    aave_account,
    aave_market,
    aave_reserve,
    aave_told,
)
from pipeline.venues.aave_v3.liquidations import tell_liquidations
from pipeline.venues.acting import VenueActions
from pipeline.venues.block_call import BlockCall
from pipeline.venues.due_read import DueRead
from pipeline.venues.port import Items, VenueForms, VenueKind, VenueViews
from pipeline.venues.usual_answers import KeepsItsItems, NoPools


class AaveV3(KeepsItsItems, NoPools):
    """The market and the books' accounts of one deployment. A reserve that was used once is always followed."""

    views: VenueViews | None = None
    actions: VenueActions | None = None

    def __init__(self, chain: ChainProfile, spec: VenueSpec) -> None:
        """Take the deployment's addresses from its specification."""
        del chain
        self.name, self._at = spec.name, deployment_of(spec)
        self.hedge: HedgeVenue | None = AaveHedge(self._at)

    # -------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        """List the market, and the account of a policy's owner."""
        return routes.named_items(policy, self._at)

    def due_reads(self, tables: Tables, policy: Policy) -> Iterator[DueRead]:
        """List the reserves that must be read."""
        del policy
        return routes.due_reads(tables, self._at)

    def is_due(self, tables: Tables, item: str) -> bool:
        """Return whether a reserve must be read."""
        return routes.is_due(tables, item, self._at)

    def checked_items(self, tables: Tables, policy: Policy) -> Iterator[str]:
        """List the market, the account and the reserves, which are compared periodically."""
        yield from self.named_items(policy)
        yield from routes.reserve_items(tables, self._at)

    def follow_logs(self, tables: Tables, event: BlockSeen) -> None:
        """Note the reserves that come to be used, and what must be read again."""
        routes.follow_logs(tables, event, self._at)

    def follow_read(self, tables: Tables, event: Observed, route: Route) -> Route:
        """Keep a market's tokens, and note the reserves that an account uses."""
        return routes.follow_read(tables, event, route, self._at)

    def item_of_entry(self, key: str) -> str | None:
        """Name the item that an entry of this deployment belongs to: what each block tells belongs to the market."""
        pool = self._at.pool
        if key in (aave_market(pool), aave_told(pool)):
            return aave_market(pool)
        begins = (aave_account.under(pool) + "/", aave_reserve.under(pool) + "/")
        return key if key.startswith(begins) else None

    def unsolicited(self, shard: Shard, event: BlockSeen, now: Provenance) -> Iterator[Output]:
        """Return the liquidations of books' accounts."""
        return tell_liquidations(shard, event, self._at, now)

    # -------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> log_filter.AaveInterest:
        """Collect the accounts, reserves and tokens that a shard follows now."""
        return log_filter.interest(tables, self._at)

    def block_calls(self, tables: Tables) -> Sequence[BlockCall]:
        """List the oracle's prices that an account's health follows from."""
        return block_prices.block_calls(tables, self._at)

    def write_answers(self, tables: Tables, block: BlockRef, answers: Sequence[CallRead]) -> None:
        """Keep a block's time and the oracle's prices."""
        block_prices.keep_told(tables, self._at, block.timestamp_s, answers)

    def writes_time(self, tables: Tables) -> bool:
        """Report that a block's time is kept while an account has anything there, or a book is hedged: interest grows with it."""
        return block_prices.is_used(tables, self._at)

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> AaveBlock:
        """Open a block's working copies."""
        return AaveBlock(shard, items, self._at, event.block.timestamp_s)

    def reads(self) -> tuple[type[Observed], ...]:
        """List the messages that tell of markets, accounts and reserves."""
        return reads.READS

    def write_read(self, shard: Shard, event: Observed) -> None:
        """Take a read as the truth of its item."""
        reads.write_read(shard, event, self._at)

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        """List where the chain's item is not what the shard holds, or does not come to the same."""
        return reads.differences(shard, event, self._at)

    # -------------------------------------------------------------- what a book has, and at which price
    def stopping_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List the market, the account and the reserves."""
        return self.checked_items(shard.tables, policy)

    def unreported_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List the account where the last block did not tell a price that its health follows from."""
        if block_prices.unpriced(shard.tables, self._at, policy):
            yield aave_account(self._at.pool, policy.owner)

    def watched(self, policy: Policy) -> Iterator[str]:
        """List the account, the market and its reserves, and the last block's time and prices: interest grows with each block."""
        pool = self._at.pool
        yield from (aave_account(pool, policy.owner), aave_market(pool), aave_told(pool))
        yield aave_reserve.under(pool)

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[held.HeldAccount]:
        """Measure what a book has supplied and owes. Raises: ImpossibleFactError where a reserve is not followed."""
        return held.held_items(shard, policy, self._at)


KIND = VenueKind(
    make=AaveV3,
    contracts=CONTRACTS,
    items=(aave_market.family, aave_account.family, aave_reserve.family),
    held=(aave_market.family, aave_account.family, aave_reserve.family),
    routing=(aave_market.family, aave_account.family),
    forms=VenueForms(
        reads=reads.READS,
        entries={
            aave_market.family: AaveMarket,
            aave_account.family: AaveAccount,
            aave_reserve.family: AaveReserve,
            aave_told.family: AaveTold,
        },
    ),
)
