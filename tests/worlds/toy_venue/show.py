"""The outputs of a shard about the toy venue."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pipeline.book.exposures import HeldItem
from pipeline.messages.base import Entry, RawLog
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.messages.policy import Policy
from pipeline.messages.views import ViewRemoved
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import PoolId
from pipeline.venues.port import Departed
from worlds.toy_venue.forms import (
    ToyPool,
    ToyPoolView,
    ToyShareView,
    ToyTraded,
    ToyTradeSeen,
    toy_pool,
    toy_share,
)
from worlds.toy_venue.held import HeldShare, held_shares


class ToyViews(msgspec.Struct, frozen=True):
    venue: str

    def published_pools(self, shard: Shard) -> Mapping[str, ToyPool | None]:
        return {
            toy_pool(pool): shard.tables.find(toy_pool(pool), ToyPool)
            for pool in sorted(self._published(shard))
        }

    def show_swaps(
        self, shard: Shard, swaps: Sequence[tuple[RawLog, Fact]], now: Provenance
    ) -> Iterator[ToyTradeSeen]:
        published = self._published(shard)
        for log, trade in swaps:
            assert isinstance(trade, ToyTraded)
            if trade.pool in published:
                stamp = now.stamp_of_chain("trade", trade.pool, log.log_index)
                yield ToyTradeSeen(**stamp, pool=trade.pool, delta0=trade.delta0, delta1=trade.delta1)  # type: ignore[arg-type]

    def shown_items(self, shard: Shard, policy: Policy) -> Sequence[HeldShare]:
        held = held_shares(shard, policy, self.venue)
        return shard.tables.derived(
            f"toy-shown/{policy.book}", (held,), lambda: tuple(each for each in held if not each.is_empty)
        )

    def touched_items(self, shard: Shard, policy: Policy) -> Mapping[str, HeldShare | None]:
        shares = {toy_share(pool, policy.owner): None for pool in policy.all_pools()}
        return shares | {held.item: held for held in self.shown_items(shard, policy)}

    def show_pool(self, item: str, state: Entry, now: Provenance) -> ToyPoolView:
        assert isinstance(state, ToyPool)
        (pool,) = toy_pool.parse(item)
        return ToyPoolView(**now.stamp_of_chain("pool", pool), pool=pool, state=state)

    def show_item(self, policy: Policy, held: HeldItem, now: Provenance) -> ToyShareView:
        amount0, amount1 = (row.amount for row in held.exposures)
        stamp = now.stamp("pos", held.item)
        return ToyShareView(**stamp, book=policy.book, item=held.item, amount0=amount0, amount1=amount1)

    def face(self, held: HeldItem) -> tuple[object, ...]:
        return held.exposures

    def may_depart(self, event: BlockSeen) -> bool:
        del event
        return False

    def departed(self, shard: Shard, event: BlockSeen, policy: Policy, held: HeldItem) -> Departed | None:
        """A share cannot be transferred."""
        del shard, event, policy, held
        return None

    def pool_removed(self, item: str, now: Provenance) -> ViewRemoved:
        (pool,) = toy_pool.parse(item)
        return ViewRemoved(**now.stamp_of_chain("pool", pool), topic=ToyPoolView.topic, key=item)

    def item_removed(self, item: str, now: Provenance) -> ViewRemoved:
        assert toy_share.matches(item)
        return ViewRemoved(**now.stamp("pos", item), topic=ToyShareView.topic, key=item)

    def _published(self, shard: Shard) -> frozenset[PoolId]:
        named = ((policy, pool) for policy in policies(shard.tables) for pool in policy.publishes)
        return frozenset(pool for policy, pool in named if policy.venue_of(pool) == self.venue)
