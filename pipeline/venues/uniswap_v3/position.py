"""Apply facts to NFTs of the position manager: pure functions on entries.

The pool's own log comes before the manager's, so the pool position is already as the manager saw it.
Several NFTs on one range share that pool position; each keeps its own account of what it is owed.
"""

from typing import assert_never

import msgspec

from pipeline.errors import ImpossibleFactError
from pipeline.math.fixed_point import MAX_UINT128
from pipeline.math.growth import fees_since, growth_inside
from pipeline.units import GrowthX128, Liquidity, RawAmount, Tick
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, Pool, PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.forms.facts import (
    LiquidityDecreased,
    LiquidityIncreased,
    ManagerFact,
    NftCollected,
    NftTransferred,
)

Owed = tuple[RawAmount, RawAmount]
"""Raw token0 and raw token1."""


def apply_manager_fact(position: NftPosition, pool_position: PoolPosition, fact: ManagerFact) -> NftPosition:
    """Apply one of its manager's events to an NFT.

    `pool_position` is (manager, lower, upper) after the pool's own log of the same call.

    Raises: ImpossibleFactError if more leaves the NFT than it has.
    """
    match fact:
        case NftTransferred():
            return msgspec.structs.replace(position, owner=fact.recipient)
        case LiquidityIncreased():
            poked = _poked(position, pool_position.inside0_last_x128, pool_position.inside1_last_x128)
            return msgspec.structs.replace(poked, liquidity=Liquidity(poked.liquidity + fact.liquidity))
        case LiquidityDecreased():
            return _decreased(position, pool_position, fact)
        case NftCollected():
            return _collected(position, pool_position, fact)
        case _:
            assert_never(fact)


def collectable(
    pool: Pool,
    lower: TickInfo | None,
    upper: TickInfo | None,
    position: NftPosition,
    pool_position: PoolPosition,
) -> tuple[RawAmount, RawAmount]:
    """Return what a `collect` of everything would pay now.

    Units:  raw token0, raw token1.
    Raises: ImpossibleFactError if an NFT with liquidity lacks a tick.
    """
    return paid_of(*owed_now(pool, lower, upper, position, pool_position))


def owed_now(
    pool: Pool,
    lower: TickInfo | None,
    upper: TickInfo | None,
    position: NftPosition,
    pool_position: PoolPosition,
) -> tuple[Owed, Owed]:
    """Return what the manager owes an NFT, and what the pool holds for its range.

    Both after a virtual poke if the NFT has liquidity, as stored if it has none (then the ticks may be None).

    Raises: ImpossibleFactError if an NFT with liquidity lacks a tick.
    """
    owed = position.owed0, position.owed1
    held = pool_position.owed0, pool_position.owed1
    if position.liquidity:
        inside = _inside(pool, lower, upper, position)
        owed = _owed_at(inside, owed, position)
        held = _owed_at(inside, held, pool_position)
    return owed, held


def paid_of(owed: Owed, held: Owed) -> Owed:
    """Return what a `collect` of everything would pay: no more than is owed, and no more than is there."""
    return min(owed[0], held[0]), min(owed[1], held[1])


def _owed_at(
    inside_x128: tuple[GrowthX128, GrowthX128],
    owed: tuple[RawAmount, RawAmount],
    who: NftPosition | PoolPosition,
) -> tuple[RawAmount, RawAmount]:
    """Add what was earned up to these growths inside its range."""
    earned0 = fees_since(inside_x128[0], who.inside0_last_x128, who.liquidity)
    earned1 = fees_since(inside_x128[1], who.inside1_last_x128, who.liquidity)
    return RawAmount((owed[0] + earned0) & MAX_UINT128), RawAmount((owed[1] + earned1) & MAX_UINT128)


def fees_alone(paid: tuple[RawAmount, RawAmount], position: NftPosition) -> tuple[RawAmount, RawAmount]:
    """Subtract the principal that decreases left there from the collectable amounts; at least 0. Units: raw token0, raw token1."""
    return (
        RawAmount(max(paid[0] - position.principal_owed0, 0)),
        RawAmount(max(paid[1] - position.principal_owed1, 0)),
    )


def in_range(tick: Tick, lower: Tick, upper: Tick) -> bool:
    """Return whether a range is active at a tick: lower <= tick < upper."""
    return lower <= tick < upper


def _decreased(position: NftPosition, pool_position: PoolPosition, fact: LiquidityDecreased) -> NftPosition:
    if fact.liquidity > position.liquidity:
        raise ImpossibleFactError(
            f"position {fact.token_id}, log {fact.log_index}: {fact.liquidity} leaves, {position.liquidity} is there"
        )
    poked = _poked(position, pool_position.inside0_last_x128, pool_position.inside1_last_x128)
    return msgspec.structs.replace(
        poked,
        liquidity=Liquidity(poked.liquidity - fact.liquidity),
        owed0=RawAmount((poked.owed0 + fact.amount0) & MAX_UINT128),
        owed1=RawAmount((poked.owed1 + fact.amount1) & MAX_UINT128),
        principal_owed0=RawAmount(poked.principal_owed0 + fact.amount0),
        principal_owed1=RawAmount(poked.principal_owed1 + fact.amount1),
    )


def _collected(position: NftPosition, pool_position: PoolPosition, fact: NftCollected) -> NftPosition:
    """Subtract what was requested; without liquidity the manager does not poke the pool."""
    if position.liquidity:
        position = _poked(position, pool_position.inside0_last_x128, pool_position.inside1_last_x128)
    if fact.amount0 > position.owed0 or fact.amount1 > position.owed1:
        raise ImpossibleFactError(
            f"position {fact.token_id}, log {fact.log_index}: collects {fact.amount0} and {fact.amount1}, "
            f"is owed {position.owed0} and {position.owed1}"
        )
    return msgspec.structs.replace(
        position,
        owed0=RawAmount(position.owed0 - fact.amount0),
        owed1=RawAmount(position.owed1 - fact.amount1),
        principal_owed0=RawAmount(max(position.principal_owed0 - fact.amount0, 0)),
        principal_owed1=RawAmount(max(position.principal_owed1 - fact.amount1, 0)),
    )


def _poked(position: NftPosition, inside0_x128: GrowthX128, inside1_x128: GrowthX128) -> NftPosition:
    """Update what the NFT has earned up to these growths inside its range."""
    earned0 = fees_since(inside0_x128, position.inside0_last_x128, position.liquidity)
    earned1 = fees_since(inside1_x128, position.inside1_last_x128, position.liquidity)
    return msgspec.structs.replace(
        position,
        inside0_last_x128=inside0_x128,
        inside1_last_x128=inside1_x128,
        owed0=RawAmount((position.owed0 + earned0) & MAX_UINT128),
        owed1=RawAmount((position.owed1 + earned1) & MAX_UINT128),
    )


def _inside(
    pool: Pool, lower: TickInfo | None, upper: TickInfo | None, position: NftPosition
) -> tuple[GrowthX128, GrowthX128]:
    if lower is None or upper is None:
        raise ImpossibleFactError(
            f"pool {position.pool}: liquidity between {position.tick_lower} and {position.tick_upper}, but no ticks"
        )
    at = {"tick": pool.tick, "tick_lower": position.tick_lower, "tick_upper": position.tick_upper}
    return (
        growth_inside(pool.growth0_x128, lower.outside0_x128, upper.outside0_x128, **at),
        growth_inside(pool.growth1_x128, lower.outside1_x128, upper.outside1_x128, **at),
    )
