"""The working copies of a shard's pools: loaded from entries, changed by facts, written back."""

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, Pool, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.live_pool import LivePool


def live_pool(shard: Shard, address: Address) -> LivePool | None:
    """Return a pool's working copy, building it from its entries where there is none; None before it was read."""
    return shard.working_copy(keys.pool(address), LivePool, lambda: _from_entries(shard.tables, address))


def need_pool(shard: Shard, address: Address) -> LivePool:
    """Return the working copy of a pool that must be followed. Raises: ImpossibleFactError."""
    live = live_pool(shard, address)
    if live is None:
        raise ImpossibleFactError(f"pool {address} is not followed")
    return live


def store_pool(shard: Shard, live: LivePool) -> None:
    """Write what a working copy touched back to the entries."""
    at, tables = live.address, shard.tables
    tables.put(keys.pool(at), live.pool())
    for tick in sorted(live.touched_ticks):
        tables.put(own_keys.tick(at, tick), live.ticks.get(tick))
    for index in sorted(live.touched_observations):
        tables.put(keys.observation(at, index), live.observations.get(index))
    for owner, lower, upper in sorted(live.touched_positions):
        tables.put(own_keys.pool_position(at, owner, lower, upper), live.positions.get((owner, lower, upper)))
    live.settle()


def _from_entries(tables: Tables, address: Address) -> LivePool | None:
    pool = tables.find(keys.pool(address), Pool)
    if pool is None:
        return None
    ticks = {
        own_keys.tick.parse(key)[1]: info
        for key, info in tables.group(own_keys.tick.under(address), TickInfo)
    }
    slots = {
        keys.observation.parse(key)[1]: slot
        for key, slot in tables.group(keys.observation.under(address), OracleSlot)
    }
    positions = {
        own_keys.pool_position.parse(key)[1:]: position
        for key, position in tables.group(own_keys.pool_position.under(address), PoolPosition)
    }
    return LivePool.of(address, pool, ticks, slots, positions)
