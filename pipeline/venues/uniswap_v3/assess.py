"""Step 3: what a position is worth in tokens, to the wei."""

from pipeline import keys
from pipeline.book.inventory import Assessed
from pipeline.errors import ImpossibleFactError
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.messages.entries import NftPosition
from pipeline.state.shard import Shard
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.pools import live_pool
from pipeline.venues.uniswap_v3.position import collectable, fees_alone, in_range


def assess(shard: Shard, key: str, position: NftPosition) -> Assessed:
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
    return Assessed(
        key=key,
        position=position,
        token0=pool.token0,
        token1=pool.token1,
        in_range=position.liquidity > 0 and in_range(pool.tick, lower, upper),
        principal0=RawAmount(burned0 + paid0 - fees0),
        principal1=RawAmount(burned1 + paid1 - fees1),
        fees0=fees0,
        fees1=fees1,
    )
