"""Apply reads of pools and NFTs: the first and a repairing read are written, a check only compares."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from pipeline import keys
from pipeline.messages.events import Observed
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.compare import field_differences
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, OracleSlot, Pool, TickInfo
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved
from pipeline.venues.uniswap_v3.pools import live_pool, store_pool

N = TypeVar("N", bound=int)

READS = (PoolObserved, OwnerObserved, PositionObserved)


def write_read(shard: Shard, event: Observed, at: UniswapV3Deployment) -> None:
    """Write a read as the truth about its pool or NFT; an owner's list changes routes only."""
    match event:
        case PoolObserved():
            _write_pool(shard, event)
        case PositionObserved():
            _write_position(shard, event, at)
        case _:
            pass


def _write_pool(shard: Shard, event: PoolObserved) -> None:
    """Replace a pool; its pool positions are read again with the NFTs that use them."""
    tables, at = shard.tables, event.pool
    new = {own_keys.tick(at, t.tick): t.info for t in event.ticks}
    slots = {keys.observation(at, i): slot for i, slot in enumerate(event.observations)}
    gone = [key for key, _ in tables.group(own_keys.tick.under(at), TickInfo) if key not in new]
    gone += [key for key, _ in tables.group(keys.observation.under(at), OracleSlot) if key not in slots]
    for key in gone:
        tables.put(key, None)
    for key, value in (*new.items(), *slots.items()):
        tables.put(key, value)
    tables.put(event.item, event.state)
    shard.drop_working_copies([event.item])


def _write_position(shard: Shard, event: PositionObserved, at: UniswapV3Deployment) -> None:
    """Write an NFT of a followed pool, with the pool position that it uses."""
    position = event.position
    if position.pool not in at.followed_pools(shard.tables):
        return
    known = shard.tables.find(event.item, NftPosition)
    if known is not None:  # a read cannot tell principal from fees; what was followed can
        position = msgspec.structs.replace(
            position,
            principal_owed0=RawAmount(min(known.principal_owed0, position.owed0)),
            principal_owed1=RawAmount(min(known.principal_owed1, position.owed1)),
        )
    shard.tables.put(event.item, position)
    live = live_pool(shard, position.pool)
    if live is not None:
        live.track(event.manager, position.tick_lower, position.tick_upper, event.pool_position)
        store_pool(shard, live)


def differences(shard: Shard, event: Observed) -> list[str]:
    """List where the pool or NFT on the chain differs from the shard's."""
    match event:
        case PoolObserved():
            return list(_pool_differences(shard, event))
        case PositionObserved():
            return list(_position_differences(shard, event))
        case _:
            return []


def _pool_differences(shard: Shard, event: PoolObserved) -> Iterator[str]:
    tables, at = shard.tables, event.pool
    ours = tables.find(event.item, Pool)
    if ours is None:
        return
    yield from field_differences("", ours, event.state)
    ticks = {
        own_keys.tick.parse(key)[1]: info for key, info in tables.group(own_keys.tick.under(at), TickInfo)
    }
    yield from _table_differences("tick", ticks, {t.tick: t.info for t in event.ticks})
    kept = tables.group(keys.observation.under(at), OracleSlot)
    slots = {keys.observation.parse(key)[1]: slot for key, slot in kept}
    yield from _table_differences("observation", slots, dict(enumerate(event.observations)))


def _position_differences(shard: Shard, event: PositionObserved) -> Iterator[str]:
    """Compare an NFT and its pool position; the chain does not tell how much of owed is principal."""
    ours = shard.tables.find(event.item, NftPosition)
    if ours is None:
        return
    plain = msgspec.structs.replace(ours, principal_owed0=RawAmount(0), principal_owed1=RawAmount(0))
    yield from field_differences("", plain, event.position)
    live = live_pool(shard, Address(ours.pool))
    used = live and live.positions.get((event.manager, ours.tick_lower, ours.tick_upper))
    if used:
        yield from field_differences("pool position ", used, event.pool_position)


def _table_differences(
    what: str, ours: Mapping[N, TickInfo | OracleSlot], theirs: Mapping[N, TickInfo | OracleSlot]
) -> Iterator[str]:
    for key in sorted(ours.keys() | theirs.keys()):
        mine, chain = ours.get(key), theirs.get(key)
        if mine is None or chain is None:
            yield f"{what} {key}: {'absent' if mine is None else 'there'}, {'absent' if chain is None else 'there'}"
        else:
            yield from field_differences(f"{what} {key} ", mine, chain)
