"""Uniswap V3 as a venue: one factory's pools, and the NFTs of one position manager."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pipeline import keys
from pipeline.book.exposures import Spot
from pipeline.book.span import PoolSpan
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.base import Output
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.policy import Policy
from pipeline.messages.views import PoolTerms
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import BookId, PoolId
from pipeline.venues.acting import VenueActions
from pipeline.venues.due_read import DueRead
from pipeline.venues.port import Items, VenueForms, VenueKind, VenueViews
from pipeline.venues.uniswap_v3 import log_filter, reads, routes
from pipeline.venues.uniswap_v3.act.actions import UniswapV3Actions
from pipeline.venues.uniswap_v3.assess import HeldNft, held_nfts, positions_at
from pipeline.venues.uniswap_v3.block import UniswapV3Block
from pipeline.venues.uniswap_v3.deployment import deployment_of
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, OracleSlot, Pool, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.forms.views import PoolView, PositionView, SwapSeen
from pipeline.venues.uniswap_v3.nft_routes import follow_nft
from pipeline.venues.uniswap_v3.show import UniswapV3Views
from pipeline.venues.uniswap_v3.spans import measures, spans_of, spot_at
from pipeline.venues.uniswap_v3.unsolicited import report_unsolicited
from pipeline.venues.usual_answers import NothingPerBlock

_ACTIONS = UniswapV3Actions()


class UniswapV3(NothingPerBlock):
    """The pools and NFTs of one deployment of Uniswap V3."""

    def __init__(self, chain: ChainProfile, spec: VenueSpec) -> None:
        """Read the deployment's addresses from its specification."""
        del chain
        self.name = spec.name
        self._at = deployment_of(spec)
        self.views: VenueViews | None = UniswapV3Views(self._at)
        self.actions: VenueActions | None = _ACTIONS
        self.hedge: HedgeVenue | None = None

    # -------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        """List the pools that a policy names, and its owner."""
        return routes.named_items(policy, self._at)

    def due_reads(self, tables: Tables, policy: Policy) -> Iterator[DueRead]:
        """List the NFTs that must be read."""
        return routes.due_reads(tables, policy, self._at)

    def is_due(self, tables: Tables, item: str) -> bool:
        """Return whether an NFT must be read."""
        return routes.is_due(tables, item, self._at)

    def checked_items(self, tables: Tables, policy: Policy) -> Iterator[str]:
        """List the pools and NFTs that are compared periodically."""
        return routes.checked_items(tables, policy, self._at)

    def follow_logs(self, tables: Tables, event: BlockSeen) -> None:
        """Record who has an NFT now."""
        for log in event.logs:
            if log.address == self._at.manager:
                follow_nft(tables, log, event)

    def follow_read(self, tables: Tables, event: Observed, route: Route) -> Route:
        """Record who has an NFT and in which pool, and the NFTs that an owner has."""
        return routes.follow_read(tables, event, route)

    def item_of_entry(self, key: str) -> str | None:
        """Name the pool or NFT that an entry belongs to."""
        return routes.item_of_entry(key, self._at)

    def books_of(self, tables: Tables, key: str) -> Iterable[BookId] | None:
        """Name the books of an NFT's owner, and of the owners of the NFTs on a range; whatever else is a pool's."""
        return routes.books_of(tables, key, self._at)

    def unfollowed(self, tables: Tables) -> set[str]:
        """List the keys of NFTs whose pool no book uses any more."""
        return routes.unfollowed(tables, self._at)

    # -------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> log_filter.UniswapV3Interest:
        """Collect the pools, NFTs and owners that a shard follows now."""
        return log_filter.interest(tables, self._at)

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> UniswapV3Block:
        """Start a block's working copies."""
        return UniswapV3Block(shard, items, self._at, event.block.timestamp_s)

    def reads(self) -> tuple[type[Observed], ...]:
        """List the messages that carry reads of pools, owners and NFTs."""
        return reads.READS

    def write_read(self, shard: Shard, event: Observed) -> None:
        """Write a read as the truth about its pool or NFT."""
        reads.write_read(shard, event, self._at)

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        """List where the pool or NFT on the chain differs from the shard's."""
        return reads.differences(shard, event)

    def set_apart(self, tables: Tables, policy: Policy) -> list[str]:
        """List the NFTs that a book's owner has and the book leaves out."""
        return routes.set_apart(tables, policy, self._at)

    def unsolicited(self, shard: Shard, event: BlockSeen, now: Provenance) -> Iterator[Output]:
        """Return each NFT that somebody else's transaction brought in this block."""
        if self._at.emits_any(event.logs):
            yield from report_unsolicited(shard, event, self._at.manager, now)

    def pool_item(self, pool: PoolId) -> str:
        """Name a pool's item."""
        return keys.pool(pool)

    def has_pool(self, tables: Tables, pool: PoolId) -> bool:
        """Return whether a pool was read."""
        return tables.find(keys.pool(pool), Pool) is not None

    # -------------------------------------------------------------- what a book has, and at which price
    def stopping_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List a book's pools and NFTs, and the item of logs that tell of no NFT."""
        for pool in self._at.pools(policy):
            yield keys.pool(pool)
        for item, _ in positions_at(shard, policy, self._at):
            yield item
        yield own_keys.unreadable_position(self._at.manager)

    def unreported_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """Return nothing: pools and NFTs follow from logs."""
        del shard, policy
        yield from ()

    def watched(self, policy: Policy) -> Iterator[str]:
        """List a book's pools, their pool positions, and the NFTs of the position manager.

        Not the ticks: what is outside of them changes with the price alone, and an NFT keeps its own two in place.
        """
        yield from (keys.position.under(self._at.manager), keys.gift.family, keys.adopted.family)
        for pool in self._at.pools(policy):
            yield from (keys.pool(pool), own_keys.pool_position.under(pool))

    def spans(self, shard: Shard, policy: Policy, halvings: int) -> Mapping[PoolId, PoolSpan]:
        """Bound each of a book's pools whose NFTs can be bounded."""
        return spans_of(shard, policy, self._at, halvings)

    def measures(self, tables: Tables, written: AbstractSet[str]) -> Mapping[str, int]:
        """Return prices and fee growths of the pools that were written."""
        return measures(tables, written)

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[HeldNft]:
        """Value the NFTs of a book. Raises: ImpossibleFactError where a pool or range is not followed."""
        return held_nfts(shard, policy, self._at)

    def spot(self, shard: Shard, pool: PoolId) -> Spot | None:
        """Return the present price in a pool: sqrt^2 / 2^192."""
        found = shard.tables.find(keys.pool(pool), Pool)
        if found is None or not found.sqrt_price_x96:
            return None
        return spot_at(found, found.sqrt_price_x96)

    def pool_terms(self, tables: Tables, pool: PoolId) -> PoolTerms | None:
        """Return a pool's tokens and its fee."""
        found = tables.find(keys.pool(pool), Pool)
        return None if found is None else found.terms


KIND = VenueKind(
    make=UniswapV3,
    contracts=("factory", "position_manager"),
    items=(keys.pool.family, own_keys.owner.family, keys.position.family),
    held=(keys.pool.family, keys.position.family),
    actions=_ACTIONS,
    to_act={"router": "swaps go through it"},
    forms=VenueForms(
        reads=reads.READS,
        outputs=(SwapSeen, PoolView, PositionView),
        entries={
            keys.pool.family: Pool,
            own_keys.tick.family: TickInfo,
            keys.observation.family: OracleSlot,
            own_keys.pool_position.family: PoolPosition,
            keys.position.family: NftPosition,
        },
    ),
)
