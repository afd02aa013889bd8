"""What an NFT is worth, measured anew only when something that it follows from is new."""

from pipeline import keys
from pipeline.inventory import Assessed
from pipeline.messages.entries import NftPosition, Pool, PoolPosition, TickInfo
from pipeline.shard import Shard
from pipeline.venues.uniswap_v3.assess import assess


def assessed(shard: Shard, key: str, position: NftPosition) -> Assessed:
    """Measure one NFT, or remember. Raises: ImpossibleFactError where its pool or range is not followed."""
    tables, pool, manager = shard.tables, position.pool, keys.manager_of(key)
    lower, upper = position.tick_lower, position.tick_upper
    made_of = (
        position,
        tables.find(keys.pool(pool), Pool),
        tables.find(keys.tick(pool, lower), TickInfo),
        tables.find(keys.tick(pool, upper), TickInfo),
        tables.find(keys.pool_position(pool, manager, lower, upper), PoolPosition),
    )
    return tables.derived(key, made_of, lambda: assess(shard, key, position))
