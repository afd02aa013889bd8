"""Step 3: what a position is worth in tokens, to the wei."""

from collections.abc import Iterator
from functools import lru_cache

from pipeline import keys
from pipeline.book.exposures import Exposure, ExposureKind, HeldItem, LiquidityRange
from pipeline.errors import ImpossibleFactError
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.messages.entries import NftPosition, Pool, PoolPosition, TickInfo
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount, Tick
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment, first_deployment
from pipeline.venues.uniswap_v3.pools import live_pool
from pipeline.venues.uniswap_v3.position import collectable, fees_alone, in_range
from pipeline.venues.uniswap_v3.routes import is_ours


class HeldNft(HeldItem, frozen=True, kw_only=True):
    """An NFT at its pool's present price. Principal and fees together are what leaving would pay."""

    position: NftPosition
    token0: Address
    token1: Address

    @property
    def principal(self) -> tuple[RawAmount, RawAmount]:
        """Liquidity at the pool's price, and what decreases left uncollected, in token0 and token1. Rounds: down."""
        return self.exposures[0].amount, self.exposures[1].amount

    @property
    def fees(self) -> tuple[RawAmount, RawAmount]:
        """The fees in token0 and token1."""
        return self.exposures[2].amount, self.exposures[3].amount

    @property
    def pays(self) -> tuple[RawAmount, RawAmount]:
        """What leaving would pay in token0 and token1."""
        (principal0, principal1), (fees0, fees1) = self.principal, self.fees
        return RawAmount(principal0 + fees0), RawAmount(principal1 + fees1)

    def liquidity_range(self) -> LiquidityRange | None:
        """Tell on which range its holdings change with the price; None where it has no liquidity."""
        if not self.provides_liquidity:
            return None
        return LiquidityRange(
            token0=self.token0,
            token1=self.token1,
            tick_lower=self.position.tick_lower,
            tick_upper=self.position.tick_upper,
            liquidity=self.position.liquidity,
        )


def own_positions(shard: Shard, policy: Policy) -> Iterator[tuple[str, NftPosition]]:
    """Walk the NFTs of a book on the deployment where it acts."""
    return positions_at(shard, policy, first_deployment(policy.chain))


def positions_at(shard: Shard, policy: Policy, at: UniswapV3Deployment) -> Iterator[tuple[str, NftPosition]]:
    """Walk the NFTs of a book at a deployment: those of its owner in its pools, but for what is set apart."""
    pools = at.pools(policy)
    for key, position in shard.tables.group(keys.position.under(at.manager), NftPosition):
        if position.owner == policy.owner and position.pool in pools and is_ours(shard.tables, key):
            yield key, position


def held_nft(shard: Shard, key: str, position: NftPosition) -> HeldNft:
    """Measure one NFT, or remember it while nothing that it follows from is new.

    Raises: ImpossibleFactError where its pool or range is not followed.
    """
    tables = shard.tables
    pool, lower, upper, used = _used_by(key, position.pool, position.tick_lower, position.tick_upper)
    made_of = (
        position,
        tables.find(pool, Pool),
        tables.find(lower, TickInfo),
        tables.find(upper, TickInfo),
        tables.find(used, PoolPosition),
    )
    return tables.derived(key, made_of, lambda: assess(shard, key, position))


@lru_cache(maxsize=4096)
def _used_by(item: str, pool: Address, lower: Tick, upper: Tick) -> tuple[str, str, str, str]:
    """Name the entries of the pool, the ticks and the pool position that an NFT's worth follows from."""
    used = keys.pool_position(pool, keys.manager_of(item), lower, upper)
    return keys.pool(pool), keys.tick(pool, lower), keys.tick(pool, upper), used


def assess(shard: Shard, key: str, position: NftPosition) -> HeldNft:
    """Measure one NFT. Raises: ImpossibleFactError where its pool or range is not followed."""
    live = live_pool(shard, position.pool)
    if live is None:
        raise ImpossibleFactError(f"{key}: pool {position.pool} is not followed")
    manager, _ = keys.position.parse(key)
    lower, upper = position.tick_lower, position.tick_upper
    used = live.positions.get((manager, lower, upper))
    if used is None:
        raise ImpossibleFactError(f"{key}: its range [{lower}, {upper}) is not followed")
    pool, ticks = live.pool(), (live.ticks.get(lower), live.ticks.get(upper))
    paid0, paid1 = collectable(pool, *ticks, position, used)
    fees0, fees1 = fees_alone(pool, *ticks, position, used)
    burned0, burned1 = amounts_of_liquidity(pool.sqrt_price_x96, lower, upper, position.liquidity)
    return HeldNft(
        item=key,
        exposures=(
            _row(pool.token0, "principal", burned0 + paid0 - fees0),
            _row(pool.token1, "principal", burned1 + paid1 - fees1),
            _row(pool.token0, "fees", fees0),
            _row(pool.token1, "fees", fees1),
        ),
        provides_liquidity=position.liquidity > 0,
        in_range=position.liquidity > 0 and in_range(pool.tick, lower, upper),
        position=position,
        token0=pool.token0,
        token1=pool.token1,
    )


def _row(token: Address, kind: ExposureKind, amount: int) -> Exposure:
    return Exposure(token=token, kind=kind, amount=RawAmount(amount))
