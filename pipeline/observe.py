"""Reads of the chain: a first or a repairing one is written, a check only compares."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from pipeline import keys
from pipeline.messages.entries import Balance, NftPosition, OracleSlot, Pool, TickInfo
from pipeline.messages.events import BalanceObserved, OwnerObserved, PoolObserved, PositionObserved
from pipeline.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.wants import followed_pools

Index = TypeVar("Index", bound=int)
Observation = PoolObserved | OwnerObserved | PositionObserved | BalanceObserved


def write_read(shard: Shard, event: Observation) -> None:
    """Take a read as the truth of its item."""
    match event:
        case PoolObserved():
            _write_pool(shard, event)
        case PositionObserved():
            _write_position(shard, event)
        case BalanceObserved():
            key = keys.balance(event.account, event.token)
            shard.tables.put(key, Balance(amount=event.amount))
        case OwnerObserved():
            pass  # its list concerns only what is routed


def _write_pool(shard: Shard, event: PoolObserved) -> None:
    """Replace a pool; the pool positions are read again with the NFTs that use them."""
    tables, at = shard.tables, event.pool
    new = {keys.tick(at, t.tick): t.info for t in event.ticks}
    slots = {keys.observation(at, i): slot for i, slot in enumerate(event.observations)}
    gone = [key for key, _ in tables.group(keys.tick.under(at), TickInfo) if key not in new]
    gone += [key for key, _ in tables.group(keys.observation.under(at), OracleSlot) if key not in slots]
    for key in gone:
        tables.put(key, None)
    for key, value in (*new.items(), *slots.items()):
        tables.put(key, value)
    tables.put(keys.pool(at), event.state)
    shard.drop_live([at])


def _write_position(shard: Shard, event: PositionObserved) -> None:
    """Write an NFT of a followed pool, with the pool position that it uses."""
    position = event.position
    if position.pool not in followed_pools(shard.tables):
        return
    key = keys.position(event.manager, event.token_id)
    known = shard.tables.find(key, NftPosition)
    if known is not None:  # a read cannot tell principal from fees; what was followed can
        position = msgspec.structs.replace(
            position,
            principal_owed0=RawAmount(min(known.principal_owed0, position.owed0)),
            principal_owed1=RawAmount(min(known.principal_owed1, position.owed1)),
        )
    shard.tables.put(key, position)
    live = shard.live_pool(position.pool)
    if live is not None:
        live.track(event.manager, position.tick_lower, position.tick_upper, event.pool_position)
        shard.store(live)


def differences(shard: Shard, event: Observation) -> list[str]:
    """List where the chain's answer is not what the shard holds: `name: ours, the chain's`."""
    match event:
        case PoolObserved():
            return list(_pool_differences(shard, event))
        case PositionObserved():
            return list(_position_differences(shard, event))
        case BalanceObserved():
            ours = shard.tables.find(keys.balance(event.account, event.token), Balance)
            amount = None if ours is None else ours.amount
            return [] if amount in {None, event.amount} else [f"amount: {amount}, {event.amount}"]
        case OwnerObserved():
            return []


def _pool_differences(shard: Shard, event: PoolObserved) -> Iterator[str]:
    tables, at = shard.tables, event.pool
    ours = tables.find(keys.pool(at), Pool)
    if ours is None:
        return
    yield from _field_differences("", ours, event.state)
    ticks = {keys.tick.parse(key)[1]: info for key, info in tables.group(keys.tick.under(at), TickInfo)}
    yield from _table_differences("tick", ticks, {t.tick: t.info for t in event.ticks})
    slots = {
        keys.observation.parse(key)[1]: s for key, s in tables.group(keys.observation.under(at), OracleSlot)
    }
    theirs = dict(enumerate(event.observations))
    yield from _table_differences("observation", slots, theirs)


def _position_differences(shard: Shard, event: PositionObserved) -> Iterator[str]:
    """Compare an NFT and its pool position; the chain does not tell how much of owed is principal."""
    ours = shard.tables.find(keys.position(event.manager, event.token_id), NftPosition)
    if ours is None:
        return
    plain = msgspec.structs.replace(ours, principal_owed0=RawAmount(0), principal_owed1=RawAmount(0))
    yield from _field_differences("", plain, event.position)
    live = shard.live_pool(Address(ours.pool))
    used = live and live.positions.get((event.manager, ours.tick_lower, ours.tick_upper))
    if used:
        yield from _field_differences("pool position ", used, event.pool_position)


def _field_differences(what: str, ours: msgspec.Struct, theirs: msgspec.Struct) -> Iterator[str]:
    for field in ours.__struct_fields__:
        mine, chain = getattr(ours, field), getattr(theirs, field)
        if mine != chain:
            yield f"{what}{field}: {mine}, {chain}"


def _table_differences(
    what: str,
    ours: Mapping[Index, TickInfo] | Mapping[Index, OracleSlot],
    theirs: Mapping[Index, TickInfo] | Mapping[Index, OracleSlot],
) -> Iterator[str]:
    for key in sorted(ours.keys() | theirs.keys()):
        mine, chain = ours.get(key), theirs.get(key)
        if mine is None or chain is None:
            yield f"{what} {key}: {'absent' if mine is None else 'there'}, {'absent' if chain is None else 'there'}"
        else:
            yield from _field_differences(f"{what} {key} ", mine, chain)
