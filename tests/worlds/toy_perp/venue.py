"""The toy future's pure half, and its kind. Books are hedged there, and trade elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from pipeline import keys
from pipeline.book.exposures import Exposure, HeldItem, Spot
from pipeline.book.span import PoolSpan
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.orders import UnknownOrder
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import CallRead
from pipeline.messages.views import PoolTerms
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import PoolId, RawAmount
from pipeline.venues.acting import VenueActions
from pipeline.venues.block_call import BlockCall
from pipeline.venues.compare import field_differences
from pipeline.venues.due_read import DueRead
from pipeline.venues.port import Items, VenueForms, VenueKind, VenueViews
from worlds.toy_perp.block import PerpBlock, PerpInterest
from worlds.toy_perp.forms import (
    PerpAccount,
    PerpAccountObserved,
    PerpMarket,
    PerpMarketObserved,
    PerpNow,
    perp_account,
    perp_market,
    perp_now,
)
from worlds.toy_perp.hedge import hedge_at
from worlds.toy_perp.rules import PerpAt


class ToyPerp:
    actions: VenueActions | None = None
    views: VenueViews | None = None

    def __init__(self, chain: ChainProfile, spec: VenueSpec) -> None:
        del chain
        self.name, self._contract = spec.name, spec.contract("future")
        self.hedge: HedgeVenue | None = hedge_at(self._contract)

    # -------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        yield perp_market(self._contract)
        yield perp_account(self._contract, policy.owner)

    def due_reads(self, tables: Tables, policy: Policy) -> Iterator[DueRead]:
        del tables, policy
        yield from ()

    def is_due(self, tables: Tables, item: str) -> bool:
        del tables, item
        return False

    def checked_items(self, tables: Tables, policy: Policy) -> Iterator[str]:
        del tables
        yield from self.named_items(policy)

    def follow_logs(self, tables: Tables, event: BlockSeen) -> None:
        """No log brings an item that a policy does not name."""

    def follow_read(self, tables: Tables, event: Observed, route: Route) -> Route:
        del tables, event
        return route

    def item_of_entry(self, key: str) -> str | None:
        if key in (perp_market(self._contract), perp_now(self._contract)):
            return perp_market(self._contract)
        return key if key.startswith(perp_account.under(self._contract) + "/") else None

    def unfollowed(self, tables: Tables) -> set[str]:
        del tables
        return set()

    def set_apart(self, tables: Tables, policy: Policy) -> list[str]:
        del tables, policy
        return []

    def unsolicited(self, shard: Shard, event: BlockSeen, now: Provenance) -> Iterator[Output]:
        del shard, event, now
        yield from ()

    # -------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> PerpInterest:
        del tables
        return PerpInterest(self._contract)

    def block_calls(self, tables: Tables) -> Sequence[BlockCall]:
        del tables
        return ()

    def write_answers(self, tables: Tables, block: BlockRef, answers: Sequence[CallRead]) -> None:
        del answers
        tables.put(perp_now(self._contract), PerpNow(at_s=block.timestamp_s))

    def writes_time(self, tables: Tables) -> bool:
        """Funding grows with it."""
        return bool(policies(tables))

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> PerpBlock:
        return PerpBlock(shard, items, self._contract, event.block.timestamp_s)

    def reads(self) -> tuple[type[Observed], ...]:
        return PerpMarketObserved, PerpAccountObserved

    def write_read(self, shard: Shard, event: Observed) -> None:
        """Take a read; of an order that it does not have any more it does not say what became."""
        match event:
            case PerpMarketObserved():
                shard.tables.put(event.item, event.state)
                shard.tables.put(perp_now(self._contract), PerpNow(at_s=event.block.timestamp_s))
            case PerpAccountObserved():
                before = shard.tables.find(event.item, PerpAccount)
                order = None if before is None else before.order
                state = event.state
                if state.order is None and order is not None and order.waits:
                    state = replace(state, order=replace(order, state=UnknownOrder()))
                shard.tables.put(event.item, state)

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        match event:
            case PerpMarketObserved():
                market = shard.tables.find(event.item, PerpMarket)
                return [] if market is None else list(field_differences("", market, event.state))
            case PerpAccountObserved():
                ours = shard.tables.find(event.item, PerpAccount)
                if ours is None:
                    return []
                if ours.order is not None and not ours.order.waits:
                    ours = replace(ours, order=None)  # the contract has forgotten it
                return list(field_differences("", ours, event.state))
        return []

    def pool_item(self, pool: PoolId) -> str:
        return keys.pool(pool)

    def has_pool(self, tables: Tables, pool: PoolId) -> bool:
        del tables, pool
        return False

    # -------------------------------------------------------------- what a book has, and at which price
    def stopping_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        del shard
        yield from self.named_items(policy)

    def untold_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        del shard, policy
        yield from ()

    def watched(self, policy: Policy) -> Iterator[str]:
        yield from self.named_items(policy)
        yield perp_now(self._contract)

    def spans(self, shard: Shard, policy: Policy, halvings: int) -> Mapping[PoolId, PoolSpan]:
        del shard, policy, halvings
        return {}

    def measures(self, tables: Tables, written: AbstractSet[str]) -> Iterator[tuple[str, int]]:
        del tables, written
        yield from ()

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[HeldItem]:
        tables, item = shard.tables, perp_account(self._contract, policy.owner)
        market, account, now = (
            tables.find(perp_market(self._contract), PerpMarket),
            tables.find(item, PerpAccount),
            tables.find(perp_now(self._contract), PerpNow),
        )
        if market is None or account is None or now is None:
            return tables.derived(f"perp-held/{policy.book}", (), tuple)
        rows = (
            Exposure(
                token=policy.quote,
                kind="collateral",
                amount=RawAmount(PerpAt(market, now.at_s).collateral(account)),
            ),
            Exposure(token=policy.base, kind="debt", amount=RawAmount(-account.size)),
        )
        return tables.derived(
            f"perp-held/{policy.book}",
            (market, account, now),
            lambda: (HeldItem(item=item, exposures=tuple(row for row in rows if row.amount)),),
        )

    def pool_terms(self, tables: Tables, pool: PoolId) -> PoolTerms | None:
        del tables, pool
        return None

    def spot(self, shard: Shard, pool: PoolId) -> Spot | None:
        del shard, pool
        return None


KIND = VenueKind(
    make=ToyPerp,
    contracts=("future",),
    items=(perp_market.family, perp_account.family),
    held=(perp_market.family, perp_account.family),
    forms=VenueForms(
        reads=(PerpMarketObserved, PerpAccountObserved),
        entries={
            perp_market.family: PerpMarket,
            perp_account.family: PerpAccount,
            perp_now.family: PerpNow,
        },
    ),
)
