"""A book's exposures at the toy venue."""

from collections.abc import Sequence

from pipeline.book.exposures import Exposure, HeldItem
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import PoolId, RawAmount
from worlds.toy_venue.forms import ToyPool, ToyShare, toy_pool, toy_share


class HeldShare(HeldItem, frozen=True, kw_only=True):
    """A share of a pool's reserves. Rounds: down, as the contract pays."""


def entries_of(tables: Tables, policy: Policy, venue: str) -> tuple[tuple[PoolId, ToyPool, ToyShare], ...]:
    """The pools of a book with its share of each, where both were read."""
    found = (
        (pool, tables.find(toy_pool(pool), ToyPool), tables.find(toy_share(pool, policy.owner), ToyShare))
        for pool in policy.pools_of(venue)
    )
    return tuple(
        (pool, state, share) for pool, state, share in found if state is not None and share is not None
    )


def held_shares(shard: Shard, policy: Policy, venue: str) -> Sequence[HeldShare]:
    """Measure a book's shares; the same object where nothing is new."""
    found = entries_of(shard.tables, policy, venue)
    return shard.tables.derived(
        f"toy-held/{policy.book}",
        found,
        lambda: tuple(_held(toy_share(pool, policy.owner), state, share) for pool, state, share in found),
    )


def _held(item: str, pool: ToyPool, share: ToyShare) -> HeldShare:
    parts = (pool.token0, pool.reserve0), (pool.token1, pool.reserve1)
    return HeldShare(
        item=item,
        exposures=tuple(
            Exposure(
                token=token, kind="principal", amount=RawAmount(reserve * share.shares // max(pool.shares, 1))
            )
            for token, reserve in parts
        ),
        provides_liquidity=share.shares > 0,
        in_range=share.shares > 0 and min(pool.reserve0, pool.reserve1) > 0,
    )
