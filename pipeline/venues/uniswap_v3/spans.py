"""Bound how far a pool may move before a book's NFTs must be measured again: sums over them bound their value in between.

Until the price comes to an end of any of their ranges, the liquidity in range moves as one: each NFT's amounts are rounded for itself,
so a bound is wider by one unit per NFT. Fees inside a range grow by no more than the pool's, wherever the price has been in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from typing import NamedTuple

import msgspec

from pipeline import keys
from pipeline.book.cells import cell_bounds, cell_of
from pipeline.book.exposures import Spot
from pipeline.book.span import PoolSpan
from pipeline.math.amounts import amount0_delta, amount1_delta
from pipeline.math.fixed_point import MAX_UINT128, MAX_UINT256
from pipeline.math.log_prices import price_of_root
from pipeline.math.ticks import MAX_TICK, MIN_TICK, sqrt_price_at_tick
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Liquidity, PoolId, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.assess import HeldNft, held_nfts
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import Pool

_FEES_SHIFT = 7
"""At the widest, fees may come to 1/128 of what the NFTs are worth."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a book's NFTs in one pool at its present price."""

    count: int
    in_range: Liquidity
    earning: Liquidity
    """In range and out of it."""
    pays: tuple[int, int]
    overdue: tuple[int, int]
    """The most by which the manager's debts exceed what the pool holds for them, because of rounding."""
    most_owed: int
    """The largest amount owed to any NFT by the manager, or held for it by the pool, in any token."""
    most_shared: Liquidity
    """The largest liquidity of a pool position that NFTs share."""
    below: Tick
    """The highest end of a range at or below the pool's tick."""
    above: Tick
    """The lowest one above it."""


def sum_up(pool: Pool, nfts: Iterable[HeldNft]) -> Sums:
    """Sum a book's NFTs in a pool."""
    held = list(nfts)
    live = [each for each in held if each.provides_liquidity]
    ends = {end for nft in live for end in (nft.position.tick_lower, nft.position.tick_upper)}
    return Sums(
        count=len(held),
        in_range=Liquidity(sum(nft.position.liquidity for nft in live if nft.in_range)),
        earning=Liquidity(sum(nft.position.liquidity for nft in live)),
        pays=_both(nft.pays for nft in held),
        overdue=_both(nft.overdue for nft in live),
        most_owed=max((nft.most_owed for nft in live), default=0),
        most_shared=Liquidity(max((nft.shared for nft in live), default=0)),
        below=max((end for end in ends if end <= pool.tick), default=Tick(MIN_TICK)),
        above=min((end for end in ends if end > pool.tick), default=Tick(MAX_TICK)),
    )


def _both(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    sum0 = sum1 = 0
    for amount0, amount1 in pairs:
        sum0, sum1 = sum0 + amount0, sum1 + amount1
    return sum0, sum1


class _Prices(NamedTuple):
    """A pool's price, and how far it may fall and rise."""

    low: SqrtPriceX96
    now: SqrtPriceX96
    high: SqrtPriceX96


def spans_of(
    shard: Shard, policy: Policy, at: UniswapV3Deployment, halvings: int
) -> Mapping[PoolId, PoolSpan]:
    """Bound each of a book's pools at a deployment whose NFTs can be bounded.

    Raises: ImpossibleFactError where a pool or range is not followed.
    """
    tables, held = shard.tables, held_nfts(shard, policy, at)
    found: dict[PoolId, PoolSpan] = {}
    for pool in at.pools(policy):
        state = tables.find(keys.pool(pool), Pool)
        if state is None or not state.sqrt_price_x96:
            continue
        sums = tables.derived(
            own_keys.nft_sums(policy.book, pool), (held, state), partial(_sum_up, pool, state, held)
        )
        span = span_of(tables, pool, state, sums, halvings)
        if span is not None:
            found[pool] = span
    return found


def _sum_up(pool: PoolId, state: Pool, held: Sequence[HeldNft]) -> Sums:
    return sum_up(state, [nft for nft in held if nft.position.pool == pool])


def span_of(tables: Tables, pool: PoolId, state: Pool, sums: Sums, halvings: int) -> PoolSpan | None:
    """Bound a pool: as wide as its cell and the ranges allow, then halved a number of times; None where no bound is possible."""
    prices = _prices(tables, pool, state, sums, halvings)
    grows = _growth(state, sums, halvings)
    if prices is None or grows is None:
        return None
    fees = [
        (sums.earning * growth >> 128) + sums.count + late
        for growth, late in zip(grows, sums.overdue, strict=True)
    ]
    shared = sums.most_shared * max(grows) >> 128
    if sums.most_owed + max(*fees, shared + 1) > MAX_UINT128:
        return None
    (less0, more0), (less1, more1) = _moves(prices, sums)
    return PoolSpan(
        bounds=_bounds(pool, state, prices, grows if sums.earning else None),
        amounts={
            state.token0: (-min(less0, sums.pays[0]), more0 + fees[0]),
            state.token1: (-min(less1, sums.pays[1]), more1 + fees[1]),
        },
        spots=(spot_at(state, prices.low), spot_at(state, prices.high)),
    )


def _prices(tables: Tables, pool: PoolId, state: Pool, sums: Sums, halvings: int) -> _Prices | None:
    """Find the prices at which more than amounts change, and stay a little inside them; both ends are outside."""
    now = state.sqrt_price_x96
    cell = cell_of(tables, pool, spot_at(state, now))
    lowest, highest = (sqrt_price_at_tick(Tick(each)) for each in cell_bounds(cell))
    down = now - max(lowest - 1, sqrt_price_at_tick(sums.below)) >> halvings
    up = min(highest, sqrt_price_at_tick(sums.above)) - now >> halvings
    if down <= 0 or up <= 0:
        return None
    return _Prices(SqrtPriceX96(now - down), now, SqrtPriceX96(now + up))


def _growth(state: Pool, sums: Sums, halvings: int) -> tuple[int, int] | None:
    """Allow fees up to a share of the NFTs' value, in each token; None where a counter would wrap."""
    square = state.sqrt_price_x96 * state.sqrt_price_x96
    worth0 = sums.pays[0] + (sums.pays[1] << 192) // square
    worth1 = sums.pays[1] + (sums.pays[0] * square >> 192)
    shift, earning = _FEES_SHIFT + halvings, max(sums.earning, 1)
    grows = 1 + ((worth0 >> shift) << 128) // earning, 1 + ((worth1 >> shift) << 128) // earning
    if max(state.growth0_x128 + grows[0], state.growth1_x128 + grows[1]) > MAX_UINT256:
        return None
    return grows


def _moves(prices: _Prices, sums: Sums) -> Sequence[tuple[int, int]]:
    """Bound by how much each token of the liquidity in range can fall and rise. Rounds: outwards."""
    of0 = [(prices.now, prices.high), (prices.low, prices.now)]
    of1 = [(prices.low, prices.now), (prices.now, prices.high)]
    moves0 = [amount0_delta(*ends, sums.in_range, round_up=True) + sums.count for ends in of0]
    moves1 = [amount1_delta(*ends, sums.in_range, round_up=True) + sums.count for ends in of1]
    return (moves0[0], moves0[1]), (moves1[0], moves1[1])


def spot_at(state: Pool, sqrt_price_x96: SqrtPriceX96) -> Spot:
    """Convert a pool's square-root price into a price: sqrt^2 / 2^192."""
    return Spot(token0=state.token0, token1=state.token1, price=price_of_root(sqrt_price_x96))


# ------------------------------------------------------------------ measures
def _bounds(pool: PoolId, state: Pool, prices: _Prices, grows: tuple[int, int] | None) -> dict[str, int]:
    rises, falls, growth0, growth1 = _names(pool)
    bounds = {rises: int(prices.high), falls: -prices.low}
    if grows is not None:
        bounds |= {growth0: state.growth0_x128 + grows[0], growth1: state.growth1_x128 + grows[1]}
    return bounds


def measures(tables: Tables, written: AbstractSet[str]) -> Mapping[str, int]:
    """Return the present measures of the pools among written entries."""
    found: dict[str, int] = {}
    for key in written:
        state = tables.find(key, Pool) if keys.pool.matches(key) else None
        if state is not None:
            rises, falls, growth0, growth1 = _names(keys.pool_of(key))
            found[rises], found[falls] = state.sqrt_price_x96, -state.sqrt_price_x96
            found[growth0], found[growth1] = state.growth0_x128, state.growth1_x128
    return found


@lru_cache(maxsize=1_024)
def _names(pool: PoolId) -> tuple[str, str, str, str]:
    """Name a pool's measures: its price upwards and downwards, and the growth of its fees."""
    return f"{pool} rises to", f"{pool} falls to", f"{pool} growth0", f"{pool} growth1"
