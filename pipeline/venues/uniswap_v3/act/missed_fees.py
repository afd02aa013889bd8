"""Compute the fees that a plan's range would have earned while its tokens are withdrawn."""

import msgspec

from pipeline.book.inventory import Stock
from pipeline.errors import PipelineError
from pipeline.math.fixed_point import MAX_UINT256
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, GrowthX128, Liquidity, RawAmount
from pipeline.venues.uniswap_v3.act.foresight import base_and_quote
from pipeline.venues.uniswap_v3.act.goal import deployable
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.pools import need_pool


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The fees that a pool has paid in total per unit of liquidity, at a block."""

    growth0_x128: GrowthX128
    growth1_x128: GrowthX128


class Outside(Growth, frozen=True, kw_only=True):
    """The total fees, with the liquidity that earns nothing from then on because its tokens are withdrawn."""

    liquidity: Liquidity


def growth_now(shard: Shard, policy: Policy) -> Growth:
    """Return the fees that the reference pool has ever earned per unit of liquidity."""
    pool = need_pool(shard, policy.reference_pool).pool()
    return Growth(growth0_x128=pool.growth0_x128, growth1_x128=pool.growth1_x128)


def missed_fees(shard: Shard, policy: Policy, goal: PoolRange, since: Growth, stock: Stock) -> RawAmount:
    """Value the fees that the tokens would have earned in the range, beside the liquidity in range now.

    liquidity * growth since / 2^128 * others / (others + liquidity); nothing where a reorg took the growth back

    Units:  raw quote, at spot.
    Rounds: down.
    """
    live = need_pool(shard, goal.pool)
    amounts = deployable(shard, policy, live.pool())
    liquidity = liquidity_for_amounts(live.sqrt_price_x96, goal.tick_lower, goal.tick_upper, *amounts)
    others = live.liquidity
    if not liquidity or not others:
        return RawAmount(0)
    now = growth_now(shard, policy)
    more = (grown(now.growth0_x128, since.growth0_x128), grown(now.growth1_x128, since.growth1_x128))
    fees = [RawAmount((liquidity * each >> 128) * others // (others + liquidity)) for each in more]
    return RawAmount(sum(base_and_quote(policy, stock, (fees[0], fees[1]))))


def grown(now_x128: int, since_x128: int) -> int:
    """Subtract two growths as the pool does, modulo 2^256; a difference of more than half of that is negative."""
    difference = (now_x128 - since_x128) & MAX_UINT256
    return difference if difference <= MAX_UINT256 // 2 else 0


# ------------------------------------------------------------------ what a plan really misses, block by block
def earning(shard: Shard, policy: Policy, goal: PoolRange) -> Liquidity:
    """Return the liquidity that the tokens would be in a goal's range, beside what is in range now; 0 outside the range.

    liquidity * others / (others + liquidity)
    """
    live = need_pool(shard, goal.pool)
    others = live.liquidity
    if not goal.tick_lower <= live.tick < goal.tick_upper or not others:
        return Liquidity(0)
    try:
        amounts = deployable(shard, policy, live.pool())
        liquidity = liquidity_for_amounts(live.sqrt_price_x96, goal.tick_lower, goal.tick_upper, *amounts)
    except PipelineError:  # a balance is not known
        return Liquidity(0)
    return Liquidity(liquidity * others // (others + liquidity))


def outside(shard: Shard, policy: Policy, goal: PoolRange) -> Outside:
    """Record the total fees from which on the withdrawn tokens miss fees."""
    now = growth_now(shard, policy)
    return Outside(
        growth0_x128=now.growth0_x128,
        growth1_x128=now.growth1_x128,
        liquidity=earning(shard, policy, goal),
    )


def fees_earned(shard: Shard, policy: Policy, since: Outside) -> tuple[tuple[Address, RawAmount], ...]:
    """Return what liquidity in range has earned since then, of each of the pool's tokens. Rounds: down."""
    pool = need_pool(shard, policy.reference_pool).pool()
    more0 = grown(pool.growth0_x128, since.growth0_x128)
    more1 = grown(pool.growth1_x128, since.growth1_x128)
    return (
        (pool.token0, RawAmount(since.liquidity * more0 >> 128)),
        (pool.token1, RawAmount(since.liquidity * more1 >> 128)),
    )
