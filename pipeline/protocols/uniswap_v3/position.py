"""NFTs of the position manager: pure functions on entries."""

from pipeline.messages.entries import NftPosition, Pool, PoolPosition, TickInfo
from pipeline.messages.facts import ManagerFact
from pipeline.units import RawAmount, Tick


def apply_manager_fact(position: NftPosition, pool_position: PoolPosition, fact: ManagerFact) -> NftPosition:
    """Carry an NFT over one of its manager's events.

    `pool_position` is (manager, lower, upper) after the pool's own log, which comes first.
    """
    raise NotImplementedError


def collectable(
    pool: Pool,
    lower: TickInfo | None,
    upper: TickInfo | None,
    position: NftPosition,
    pool_position: PoolPosition,
) -> tuple[RawAmount, RawAmount]:
    """Tell what a `collect` of everything would pay now. The ticks may be None for an NFT without liquidity."""
    raise NotImplementedError


def fees_alone(
    pool: Pool,
    lower: TickInfo | None,
    upper: TickInfo | None,
    position: NftPosition,
    pool_position: PoolPosition,
) -> tuple[RawAmount, RawAmount]:
    """Tell the collectable amounts less the principal that decreases left there; at least 0."""
    raise NotImplementedError


def in_range(tick: Tick, lower: Tick, upper: Tick) -> bool:
    """Tell whether a range earns at a tick: lower <= tick < upper."""
    return lower <= tick < upper
