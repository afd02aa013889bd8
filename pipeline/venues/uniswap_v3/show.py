"""Make the views of pools and NFTs, and the records of swaps, that a shard publishes."""

from collections.abc import Mapping, Sequence

import msgspec

from pipeline import keys
from pipeline.book.exposures import HeldItem
from pipeline.errors import MalformedLogError
from pipeline.messages.base import Entry, RawLog
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.messages.policy import Policy
from pipeline.messages.views import ViewRemoved
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Hash, PoolId
from pipeline.venues.port import Departed
from pipeline.venues.uniswap_v3.assess import HeldNft, shown_nfts, touched_nfts
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.forms.facts import Swapped
from pipeline.venues.uniswap_v3.forms.views import PoolView, PositionView, SwapSeen
from pipeline.venues.uniswap_v3.manager_logs import decode_nft_transfer


class UniswapV3Views(msgspec.Struct, frozen=True):
    """Pools, swaps in them, and NFTs, of one deployment."""

    deployment: UniswapV3Deployment

    def published_pools(self, shard: Shard) -> Mapping[str, Pool | None]:
        """Collect the pools that this shard publishes, each as it was read."""
        return {item: shard.tables.find(item, Pool) for item in self._published(shard).values()}

    def show_swaps(
        self, shard: Shard, swaps: Sequence[tuple[RawLog, Fact]], now: Provenance
    ) -> list[SwapSeen]:
        """Return each swap in a published pool."""
        published = self._published(shard)
        shown: list[SwapSeen] = []
        for log, swap in swaps:
            assert isinstance(swap, Swapped)
            if swap.address in published:
                shown.append(_show_swap(log, swap, now))
        return shown

    def shown_items(self, shard: Shard, policy: Policy) -> Sequence[HeldNft]:
        """Value the NFTs of a book that have or are owed anything; the book says why others cannot be valued."""
        return shown_nfts(shard, policy, self.deployment)

    def touched_items(self, shard: Shard, policy: Policy) -> Mapping[str, HeldNft | None]:
        """Value the NFTs of a book that writes since the last call may concern."""
        return touched_nfts(shard, policy, self.deployment)

    def _published(self, shard: Shard) -> Mapping[PoolId, str]:
        """Collect the published pools, each with its item, in their order."""
        at = self.deployment
        return shard.tables.of_family(
            own_keys.published_pools(at.name, at.manager),
            keys.policy.family,
            _published_at,
            at,
            shard.tables,
        )

    def show_pool(self, item: str, state: Entry, now: Provenance) -> PoolView:
        """Return the present state of a pool."""
        assert isinstance(state, Pool)
        address = keys.pool_of(item)
        return PoolView(
            id=now.id_of_chain("pool", address, 0),
            because_of=now.because_of,
            rules=now.rules,
            pool=address,
            state=state,
        )

    def show_item(self, policy: Policy, held: HeldItem, now: Provenance) -> PositionView:
        """Return one NFT of a book."""
        assert isinstance(held, HeldNft)
        manager, token_id = keys.position.parse(held.item)
        position, (principal0, principal1), (fees0, fees1) = held.position, held.principal, held.fees
        return PositionView(
            **now.stamp("pos", held.item),
            book=policy.book,
            manager=manager,
            token_id=token_id,
            pool=position.pool,
            tick_lower=position.tick_lower,
            tick_upper=position.tick_upper,
            liquidity=position.liquidity,
            in_range=held.in_range,
            principal0=principal0,
            principal1=principal1,
            fees0=fees0,
            fees1=fees1,
        )

    def face(self, held: HeldItem) -> tuple[object, ...]:
        """List the fields of an NFT whose change is published at once; the amounts follow from its pool's view."""
        assert isinstance(held, HeldNft)
        amounts = () if held.position.liquidity else (held.principal, held.fees)
        return (held.position, held.in_range, *amounts)

    def may_depart(self, event: BlockSeen) -> bool:
        """Return whether the position manager emitted any log in a block."""
        return self.deployment.emits_any(event.logs)

    def departed(self, shard: Shard, event: BlockSeen, policy: Policy, held: HeldItem) -> Departed | None:
        """Return the new owner of an NFT that a book had before a block."""
        assert isinstance(held, HeldNft)
        route = shard.tables.find(keys.route(held.item), Route)
        to = None if route is None else route.owner
        if to == policy.owner:
            return None
        return Departed(to=to, transaction_hash=_last_transfer(event, held.item))

    def pool_removed(self, item: str, now: Provenance) -> ViewRemoved:
        """Report that a pool's state is no longer known."""
        stamp = now.stamp_of_chain("pool", keys.pool_of(item))
        return ViewRemoved(**stamp, topic=PoolView.topic, key=item)

    def item_removed(self, item: str, now: Provenance) -> ViewRemoved:
        """Report that a book no longer has this NFT, or nothing in it."""
        return ViewRemoved(**now.stamp("pos", item), topic=PositionView.topic, key=item)


def _published_at(at: UniswapV3Deployment, tables: Tables) -> Mapping[PoolId, str]:
    books = policies(tables)
    named = {pool for policy in books for pool in policy.publishes if policy.venue_of(pool) == at.name}
    return {pool: keys.pool(pool) for pool in sorted(named)}


def _show_swap(log: RawLog, swap: Swapped, now: Provenance) -> SwapSeen:
    return SwapSeen(
        id=now.id_of_chain("swap", swap.address, log.log_index),
        because_of=now.because_of,
        rules=now.rules,
        pool=swap.address,
        log_index=log.log_index,
        transaction_hash=log.transaction_hash,
        amount0_delta=swap.amount0_delta,
        amount1_delta=swap.amount1_delta,
        sqrt_price_x96=swap.sqrt_price_x96,
        liquidity=swap.liquidity,
        tick=swap.tick,
    )


def _last_transfer(event: BlockSeen, item: str) -> Hash | None:
    """Find the last transaction of a block that transferred an NFT."""
    return next((log.transaction_hash for log in reversed(event.logs) if _moves(log, item)), None)


def _moves(log: RawLog, item: str) -> bool:
    try:
        moved = decode_nft_transfer(log)
    except MalformedLogError:
        return False
    return moved is not None and keys.position(log.address, moved.token_id) == item
