"""Decide how a plan goes on when a phase is due: with its goal, with another one, or without a swap."""

import msgspec

from pipeline.act.drafts import Course
from pipeline.book.inventory import Stock
from pipeline.errors import PipelineError, SwapLimitedError
from pipeline.math.amounts import range_amounts
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3.act.depth import part_of_mint
from pipeline.venues.uniswap_v3.act.drafts import describe_limit
from pipeline.venues.uniswap_v3.act.foresight import ForeseenRerange, base_and_quote, foresee, share_to_hold
from pipeline.venues.uniswap_v3.act.goal import NOTHING, as_is, choose_goal, deployable
from pipeline.venues.uniswap_v3.act.market import PoolMarket
from pipeline.venues.uniswap_v3.act.partial_step import comes_nearer, largest_step
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange, goal_of
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan

_LEAST_TAKEN_PERCENT = 95
"""So much of what may go into a range must go into it, by value, or a range that fits it better is chosen."""


def reconsider_swap(
    shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket, stock: Stock
) -> Course:
    """Choose the first of these that leaves the share no further from its target: the goal, a new one, a partial step, no swap.

    A goal that would leave the share outside the inner band is no longer good enough. A swap that is cut short is given up
    where the share is inside that band anyway; elsewhere the largest step that the price limit allows takes its place.

    Raises: PipelineError, SwapLimitedError among them, where none of these can be had.
    """
    before = abs(stock.base_share_bps - policy.strategy.target_share_bps)
    wanted = choose_goal(shard, policy, goal.withdraw, share_to_hold(shard, policy, stock, NOTHING))
    limited: SwapPlan | None = None
    for each in dict.fromkeys((goal, wanted)):
        seen = foresee(shard, policy, each, market, stock, freed=NOTHING)
        if seen.swap.limited:
            limited = seen.swap
        elif each == goal and _is_good_enough(seen, policy, before):
            return Course(goal=goal_of(goal))
        elif each == wanted and seen.is_active and deviation_after(seen, policy) <= before:
            return _course(goal, wanted, f"the share is {before} bps from its target now")
    if limited is not None and before > policy.strategy.inner_bps:
        step = largest_step(shard, policy, wanted, market, stock, whole=seen, freed=NOTHING)
        if step is None or not comes_nearer(step[1], policy):
            raise SwapLimitedError(describe_limit(limited))
        return _course(goal, step[0], step[1].cut_short)
    why = f"no swap brings the share nearer to its target, {before} bps away"
    return Course(goal=goal_of(as_is(shard, policy, goal)), skips=True, why=why)


def _course(before: PoolRange, after: PoolRange, why: str) -> Course:
    """Continue with a goal, and say why where it has changed."""
    return Course(goal=goal_of(after), why=why if after != before else "")


def _is_good_enough(seen: ForeseenRerange, policy: Policy, before: int) -> bool:
    return seen.is_active and deviation_after(seen, policy) <= min(before, policy.strategy.inner_bps)


def reconsider_mint(
    shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket, stock: Stock
) -> Course:
    """Keep the range if it takes nearly all that may go into it; else choose one of the same width that takes more."""
    course = _range_to_mint(shard, policy, goal, stock)
    if not market.in_part:
        return course
    live = need_pool(shard, goal.pool)
    amounts = deployable(shard, policy, live.pool())
    part = part_of_mint(shard, policy, live, market, amounts)
    if part is None or part == amounts:
        return course
    went, whole = (sum(base_and_quote(policy, stock, each)) for each in (part, amounts))
    why = f"the pool's depth takes {went} of {whole} quote, the rest stays in the wallet"
    return msgspec.structs.replace(course, why="; ".join(each for each in (course.why, why) if each))


def _range_to_mint(shard: Shard, policy: Policy, goal: PoolRange, stock: Stock) -> Course:
    whole = sum(base_and_quote(policy, stock, deployable(shard, policy, need_pool(shard, goal.pool).pool())))
    taken = _taken_quote(shard, policy, goal, stock)
    if taken * 100 >= whole * _LEAST_TAKEN_PERCENT:
        return Course(goal=goal_of(goal))
    try:
        fitting = as_is(shard, policy, goal)
    except PipelineError:
        return Course(goal=goal_of(goal))
    if _taken_quote(shard, policy, fitting, stock) <= taken:
        return Course(goal=goal_of(goal))
    return Course(goal=goal_of(fitting), why=f"the range would take {taken} of {whole} quote")


def _taken_quote(shard: Shard, policy: Policy, goal: PoolRange, stock: Stock) -> int:
    """Value what a mint would put into a range, in quote. Rounds: down."""
    live = need_pool(shard, goal.pool)
    amounts, ticks = deployable(shard, policy, live.pool()), (goal.tick_lower, goal.tick_upper)
    liquidity = liquidity_for_amounts(live.sqrt_price_x96, *ticks, *amounts)
    return sum(
        base_and_quote(policy, stock, range_amounts(live.sqrt_price_x96, *ticks, liquidity, round_up=False))
    )


# ------------------------------------------------------------------ how far from the target
def deviation_after(seen: ForeseenRerange, policy: Policy) -> int:
    """Return how far from its target the share would be, in bps."""
    return abs(seen.share_after_bps - policy.strategy.target_share_bps)
