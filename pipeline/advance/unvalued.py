"""Secure what a hedged book owes while a feed that values one of its assets has no recent answer: what trades nothing depends on no such price.

Health follows from the lending market's own prices. To repay with what the wallet has, to supply, and to take liquidity out of a range is safe
at any price; all else waits for the feed.
"""

from collections.abc import Iterator

from pipeline.act.settle import Due, stand
from pipeline.advance.book_context import BookContext
from pipeline.advance.pauses import refused_by_pause
from pipeline.advance.plans import continue_plan, find_plan, plan_is_open, suspend_plan
from pipeline.advance.preemption import gives_way
from pipeline.advance.real_cost import with_cost
from pipeline.advance.value_feeds import waits_for_value
from pipeline.book.inventory import Stock
from pipeline.book.prices import last_prices
from pipeline.book.stock import held_parts, take_stock
from pipeline.decide.gates import Judgement, Unknown
from pipeline.decide.hedging import offer_hedge, position_of
from pipeline.messages.base import Output
from pipeline.messages.effects import Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.goals import HedgeGoal
from pipeline.state.book_effects import effects_of
from pipeline.venues.registry import need_hedging


def stock_in_need(context: BookContext) -> Stock | None:
    """Take stock at the feeds' last answers of a book whose health is low, or that a plan secures; None of any other.

    An asset whose feed gives no price counts as nothing. Raises: PipelineError where the position is not known.
    """
    shard, policy = context.shard, context.policy
    if not (_is_low(context) or _secures(context, find_plan(context))):
        return None
    prices = last_prices(shard, policy, context.block.timestamp_s)
    return take_stock(policy, held_parts(shard, policy), prices)


def continue_in_need(
    context: BookContext, stock: Stock, path: BookPath, undated: Unknown
) -> Iterator[Output]:
    """Continue a plan that only secures what is owed, and what was sent of any other; let all else wait for the feed."""
    plan = find_plan(context)
    if plan is None or _makes_way(context, stock):
        return
    match stand(plan, context.shard.tables):
        case Due(phase=phase) if plan.closed is None and not (
            _secures(context, plan) and not waits_for_value(context, plan, phase)
        ):
            yield from suspend_plan(context, undated)
        case _:
            carried = continue_plan(context, stock, path)
            yield from (with_cost(context.shard, said, None) for said in carried)


def judge_in_need(context: BookContext, stock: Stock, undated: Unknown) -> Judgement:
    """Propose to secure what is owed, or say which feed all else waits for."""
    shard, policy, now_s = context.shard, context.policy, context.block.timestamp_s
    paused = refused_by_pause(shard, policy)
    if paused is not None:
        return paused
    if not _is_low(context) or (plan_is_open(context) and not _makes_way(context, stock)):
        return undated
    return offer_hedge(shard, policy, stock, effects_of(shard.tables, policy.book), now_s) or undated


def _makes_way(context: BookContext, stock: Stock) -> bool:
    return _is_low(context) and gives_way(context, stock)


def _is_low(context: BookContext) -> bool:
    """Return whether health is below the level at which the hedge acts: then low health alone is proposed for."""
    policy = context.policy
    if not policy.hedge:
        return False
    return policy.hedge.is_low(position_of(context.shard, policy).health_bps)


def _secures(context: BookContext, plan: Plan | None) -> bool:
    """Return whether an open plan is for low health."""
    if plan is None or plan.closed is not None or not isinstance(plan.goal, HedgeGoal):
        return False
    return bool(context.policy.hedge) and need_hedging(context.policy).secures(plan.goal)
