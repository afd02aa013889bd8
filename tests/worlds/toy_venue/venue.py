"""The toy venue's pipeline half, and its kind."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pipeline.book.exposures import HeldItem, Spot
from pipeline.book.span import PoolSpan
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import Price
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.policy import Policy
from pipeline.messages.views import PoolTerms
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import PoolId
from pipeline.venues.acting import VenueActions
from pipeline.venues.compare import field_differences
from pipeline.venues.port import Items, VenueForms, VenueKind, VenueViews
from pipeline.venues.usual_answers import NamedItemsOnly, NothingPerBlock
from worlds.toy_venue.actions import ACTIONS
from worlds.toy_venue.block import ToyBlock, ToyInterest
from worlds.toy_venue.forms import (
    ToyPool,
    ToyPoolObserved,
    ToyPoolView,
    ToyShare,
    ToyShareObserved,
    ToyShareView,
    ToyTradeSeen,
    toy_pool,
    toy_share,
)
from worlds.toy_venue.held import held_shares
from worlds.toy_venue.show import ToyViews


class ToyVenue(NamedItemsOnly, NothingPerBlock):
    actions: VenueActions | None = ACTIONS
    hedge: HedgeVenue | None = None

    def __init__(self, chain: ChainProfile, spec: VenueSpec) -> None:
        del chain
        self.name, self._contract = spec.name, spec.contract("pools")
        self.views: VenueViews | None = ToyViews(spec.name)

    # -------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        for pool in policy.pools_of(self.name):
            yield toy_pool(pool)
            yield toy_share(pool, policy.owner)

    def item_of_entry(self, key: str) -> str | None:
        return key if toy_pool.matches(key) or toy_share.matches(key) else None

    # -------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> ToyInterest:
        pools = frozenset(pool for policy in policies(tables) for pool in policy.pools_of(self.name))
        return ToyInterest(contract=self._contract, pools=pools)

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> ToyBlock:
        del event
        return ToyBlock(shard, items, self._contract)

    def reads(self) -> tuple[type[Observed], ...]:
        return ToyPoolObserved, ToyShareObserved

    def write_read(self, shard: Shard, event: Observed) -> None:
        match event:
            case ToyPoolObserved():
                shard.tables.put(event.item, event.state)
                shard.drop_working_copies([event.item])
            case ToyShareObserved():
                shard.tables.put(event.item, ToyShare(shares=event.shares))

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        match event:
            case ToyPoolObserved():
                pool = shard.tables.find(event.item, ToyPool)
                return [] if pool is None else list(field_differences("", pool, event.state))
            case ToyShareObserved():
                share = shard.tables.find(event.item, ToyShare)
                return (
                    [] if share is None else list(field_differences("", share, ToyShare(shares=event.shares)))
                )
        return []

    def pool_item(self, pool: PoolId) -> str:
        return toy_pool(pool)

    def has_pool(self, tables: Tables, pool: PoolId) -> bool:
        return tables.find(toy_pool(pool), ToyPool) is not None

    # -------------------------------------------------------------- what a book has, and at which price
    def unreported_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        del shard, policy
        yield from ()

    def watched(self, policy: Policy) -> Iterator[str]:
        for pool in policy.pools_of(self.name):
            yield from (toy_pool(pool), toy_share(pool, policy.owner))

    def spans(self, shard: Shard, policy: Policy, halvings: int) -> Mapping[PoolId, PoolSpan]:
        """None: a book is looked at whenever a pool of its moves."""
        del shard, policy, halvings
        return {}

    def measures(self, tables: Tables, written: AbstractSet[str]) -> Mapping[str, int]:
        del tables, written
        return {}

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[HeldItem]:
        return held_shares(shard, policy, self.name)

    def pool_terms(self, tables: Tables, pool: PoolId) -> PoolTerms | None:
        found = tables.find(toy_pool(pool), ToyPool)
        return None if found is None else found.terms

    def spot(self, shard: Shard, pool: PoolId) -> Spot | None:
        found = shard.tables.find(toy_pool(pool), ToyPool)
        if found is None:
            return None
        price = Price(numerator=found.weight0, denominator=found.weight1)
        return Spot(token0=found.token0, token1=found.token1, price=price)


KIND = VenueKind(
    make=ToyVenue,
    contracts=("pools",),
    items=(toy_pool.family, toy_share.family),
    held=(toy_pool.family, toy_share.family),
    actions=ACTIONS,
    forms=VenueForms(
        reads=(ToyPoolObserved, ToyShareObserved),
        outputs=(ToyPoolView, ToyShareView, ToyTradeSeen),
        entries={toy_pool.family: ToyPool, toy_share.family: ToyShare},
    ),
)
