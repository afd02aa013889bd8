"""What an NFT is worth, measured anew only when something that it follows from is new."""

from functools import lru_cache

from pipeline import keys
from pipeline.book.inventory import Assessed
from pipeline.messages.entries import NftPosition, Pool, PoolPosition, TickInfo
from pipeline.state.shard import Shard
from pipeline.units import Address, Tick
from pipeline.venues.uniswap_v3.assess import assess


def assessed(shard: Shard, key: str, position: NftPosition) -> Assessed:
    """Measure one NFT, or remember. Raises: ImpossibleFactError where its pool or range is not followed."""
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
