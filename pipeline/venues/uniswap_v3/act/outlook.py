"""Compute the result of a whole re-range on the book as it is: to the goal, or the largest step towards it."""

from pipeline.book.inventory import Stock
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3.act.foresight import ForeseenRerange, foresee, share_to_hold
from pipeline.venues.uniswap_v3.act.goal import choose_goal, freed_by, liquidity_to_move
from pipeline.venues.uniswap_v3.act.market import PoolMarket
from pipeline.venues.uniswap_v3.act.partial_step import brings_into_range, comes_nearer, largest_step
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange


def choose(shard: Shard, policy: Policy, stock: Stock) -> PoolRange:
    """Choose the range that brings the whole book to its target, with all that its NFTs pay. Raises: PipelineError."""
    leaving = liquidity_to_move(shard, policy)
    freed = freed_by(shard, policy, leaving)
    return choose_goal(shard, policy, leaving, share_to_hold(shard, policy, stock, freed))


def look_ahead(
    shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket, stock: Stock
) -> tuple[PoolRange, ForeseenRerange]:
    """Compute the result of a goal; where its swap would be cut short, of the largest step towards it, if that is worth taking.

    Raises: PipelineError.
    """
    freed = freed_by(shard, policy, goal.withdraw)
    foreseen = foresee(shard, policy, goal, market, stock, freed=freed)
    step = largest_step(shard, policy, goal, market, stock, whole=foreseen, freed=freed)
    if policy.action.large_swaps == "refuse" and foreseen.swap.pays_sandwich:
        return goal, foreseen
    if step is not None and (comes_nearer(step[1], policy) or brings_into_range(step[1], policy)):
        return step
    return goal, foreseen
