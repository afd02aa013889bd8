"""Step 3: compute a position's principal and fees, to the wei."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from pipeline import keys
from pipeline.book.exposures import Exposure, ExposureKind, HeldItem, LiquidityRange
from pipeline.errors import ImpossibleFactError
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.math.log_prices import price_of_root
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import Price
from pipeline.messages.goals import Terms, write_terms
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, Liquidity, PoolId, RawAmount, Tick, TokenId
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment, acting_deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, Pool, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.owned_nfts import counted_nfts, owned_nfts
from pipeline.venues.uniswap_v3.position import fees_alone, in_range, owed_now, paid_of


class HeldNft(HeldItem, frozen=True, kw_only=True):
    """An NFT at its pool's present price. Principal and fees together are what a full withdrawal pays."""

    position: NftPosition
    token0: Address
    token1: Address
    overdue: tuple[int, int] = (0, 0)
    """What the manager owes it in token0 and token1 beyond what the pool holds for it; the two differ by rounding."""
    most_owed: int = 0
    """The largest of what the manager owes it, and of what the pool holds for its range, in either token."""
    shared: Liquidity = Liquidity(0)
    """All of its manager's liquidity on its range."""

    @property
    def principal(self) -> tuple[RawAmount, RawAmount]:
        """The liquidity's amounts at the pool's price, and what decreases left uncollected, in token0 and token1. Rounds: down."""
        return self.exposures[0].amount, self.exposures[1].amount

    @property
    def fees(self) -> tuple[RawAmount, RawAmount]:
        """The fees in token0 and token1."""
        return self.exposures[2].amount, self.exposures[3].amount

    @property
    def pays(self) -> tuple[RawAmount, RawAmount]:
        """The amounts that a full withdrawal pays in token0 and token1."""
        (principal0, principal1), (fees0, fees1) = self.principal, self.fees
        return RawAmount(principal0 + fees0), RawAmount(principal1 + fees1)

    def liquidity_range(self) -> LiquidityRange | None:
        """The range on which its amounts change with the price; None where it has no liquidity."""
        if not self.provides_liquidity:
            return None
        return LiquidityRange(
            token0=self.token0,
            token1=self.token1,
            low=_price_at(self.position.tick_lower),
            high=_price_at(self.position.tick_upper),
            liquidity=self.position.liquidity,
        )

    def terms(self) -> Terms:
        """Return its number, its pool, its range and its liquidity."""
        (_, token_id), held = keys.position.parse(self.item), self.position
        own = PositionTerms(
            token_id=token_id,
            pool=held.pool,
            tick_lower=held.tick_lower,
            tick_upper=held.tick_upper,
            liquidity=held.liquidity,
        )
        return write_terms(own)


class PositionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An NFT in the form of records that are independent of venues."""

    token_id: TokenId
    pool: Address
    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity


def _price_at(tick: Tick) -> Price:
    return price_of_root(sqrt_price_at_tick(tick))


class _Range(NamedTuple):
    """The cached values of a range: its ticks, and the pool position that the NFTs on it share."""

    lower: TickInfo | None
    upper: TickInfo | None
    used: PoolPosition | None


def own_positions(shard: Shard, policy: Policy) -> Iterator[tuple[str, NftPosition]]:
    """Iterate over the NFTs of a book on the deployment where it acts."""
    return positions_at(shard, policy, acting_deployment(policy))


def positions_at(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> Iterator[tuple[str, NftPosition]]:
    """Iterate over the NFTs of a book at a deployment: those of its owner in its pools, except those set apart."""
    pools, owned = at.pools(policy), owned_nfts(shard.tables, at.manager, policy.owner)
    return ((key, position) for key, position in owned if position.pool in pools)


def held_nfts(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> tuple[HeldNft, ...]:
    """Value the NFTs of a book, from the cache while nothing that they follow from has changed.

    Raises: ImpossibleFactError where a pool or range is not followed.
    """
    return shard.tables.derived(
        own_keys.held_nfts(policy.book, at.manager),
        follows_from(shard.tables, policy, at),
        _measured,
        shard,
        policy,
        at,
    )


def _measured(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> tuple[HeldNft, ...]:
    return tuple([held_nft(shard, key, position) for key, position in positions_at(shard, policy, at)])


def shown_nfts(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> tuple[HeldNft, ...]:
    """Value the NFTs of a book that have liquidity or are owed tokens; the book's refusal names those that cannot be valued."""
    return shard.tables.derived(
        own_keys.shown_nfts(policy.book, at.manager),
        follows_from(shard.tables, policy, at),
        _measurable,
        shard,
        policy,
        at,
    )


def touched_nfts(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> Mapping[str, HeldNft | None]:
    """Value the NFTs of a book that writes since the last call may concern, like `shown_nfts`."""
    tables, pools = shard.tables, at.pools(policy)
    _, groups = _follows_from(tables, policy, at)
    owned = counted_nfts(tables, at.manager)
    written = tables.written(own_keys.shown_nfts(policy.book, at.manager), keys.pool.family, *groups)
    touched: dict[str, HeldNft | None] = {}
    for item in owned.named_by(written):
        position = owned.find(policy.owner, item)
        is_of_book = position is not None and position.pool in pools
        touched[item] = _measure_if_possible(shard, item, position) if position and is_of_book else None
    return touched


def _measurable(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> tuple[HeldNft, ...]:
    measured = (_measure_if_possible(shard, *each) for each in positions_at(shard, policy, at))
    return tuple(held for held in measured if held is not None)


def _measure_if_possible(shard: Shard, item: str, position: NftPosition) -> HeldNft | None:
    try:
        held = held_nft(shard, item, position)
    except MemoryError:  # of the machine, not of the NFT
        raise
    except Exception:  # noqa: BLE001 - its book tells why
        return None
    return None if held.is_empty else held


def follows_from(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> tuple[object, ...]:
    """List the keys that the value of a book's NFTs depends on: the NFTs, its pools, their ticks and pool positions."""
    pools, groups = _follows_from(tables, policy, at)
    return (policy, *[tables.find(pool, Pool) for pool in pools], *tables.writes(*groups))


def _follows_from(
    tables: Tables, policy: Policy, at: UniswapV3Deployment
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tables.derived(own_keys.nft_groups(policy.book, at.manager), (policy,), _groups, policy, at)


def _groups(policy: Policy, at: UniswapV3Deployment) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the keys of a book's pools, and the groups of the rest."""
    names = tuple(sorted(at.pools(policy)))
    of_pools = (
        group for pool in names for group in (own_keys.tick.under(pool), own_keys.pool_position.under(pool))
    )
    of_nfts = (keys.position.under(at.manager), keys.gift.family, keys.adopted.family)
    return tuple(keys.pool(pool) for pool in names), (*of_nfts, *of_pools)


def held_nft(shard: Shard, key: str, position: NftPosition) -> HeldNft:
    """Value one NFT, from the cache while nothing that it follows from has changed.

    Raises: ImpossibleFactError where its pool or range is not followed.
    """
    tables = shard.tables
    pool_key, lower_key, upper_key, used_key = _used_by(
        key, position.pool, position.tick_lower, position.tick_upper
    )
    pool = tables.find(pool_key, Pool)
    at = _Range(
        tables.find(lower_key, TickInfo),
        tables.find(upper_key, TickInfo),
        tables.find(used_key, PoolPosition),
    )
    made_of = (position, _matters(pool, position), *at)
    return tables.derived(key, made_of, _measure, key, position, pool, at)


def _matters(pool: Pool | None, position: NftPosition) -> object:
    """Return what of its pool an NFT's value follows from: in range all of it, else on which side of the range the price is.

    Beyond a range the amounts no longer follow the price, and fees no longer grow: growth inside is the difference of the ticks' own.
    """
    if pool is None or not pool.sqrt_price_x96 or not position.liquidity:
        return None if pool is None else pool.token0
    if in_range(pool.tick, position.tick_lower, position.tick_upper):
        return pool
    return pool.tick < position.tick_lower


@lru_cache(maxsize=65_536)
def _used_by(item: str, pool: PoolId, lower: Tick, upper: Tick) -> tuple[str, str, str, str]:
    """List the keys of the pool, the ticks and the pool position that an NFT's value depends on."""
    used = own_keys.pool_position(pool, own_keys.manager_of(item), lower, upper)
    return keys.pool(pool), own_keys.tick(pool, lower), own_keys.tick(pool, upper), used


def _measure(key: str, position: NftPosition, pool: Pool | None, at: _Range) -> HeldNft:
    """Value one NFT. Raises: ImpossibleFactError where its pool or range is not followed."""
    if pool is None:
        raise ImpossibleFactError(f"{key}: pool {position.pool} is not followed")
    ticks = position.tick_lower, position.tick_upper
    if at.used is None:
        raise ImpossibleFactError(f"{key}: its range [{ticks[0]}, {ticks[1]}) is not followed")
    owed, pooled = owed_now(pool, at.lower, at.upper, position, at.used)
    paid0, paid1 = paid = paid_of(owed, pooled)
    fees0, fees1 = fees_alone(paid, position)
    burned0, burned1 = amounts_of_liquidity(pool.sqrt_price_x96, *ticks, position.liquidity)
    return HeldNft(
        item=key,
        exposures=(
            _row(pool.token0, "principal", burned0 + paid0 - fees0),
            _row(pool.token1, "principal", burned1 + paid1 - fees1),
            _row(pool.token0, "fees", fees0),
            _row(pool.token1, "fees", fees1),
        ),
        provides_liquidity=position.liquidity > 0,
        in_range=position.liquidity > 0 and in_range(pool.tick, *ticks),
        position=position,
        token0=pool.token0,
        token1=pool.token1,
        overdue=(owed[0] - paid0, owed[1] - paid1),
        most_owed=max(*owed, *pooled),
        shared=at.used.liquidity,
    )


def _row(token: Address, kind: ExposureKind, amount: int) -> Exposure:
    return Exposure(token=token, kind=kind, amount=RawAmount(amount))
