"""Let a plan with nothing in flight make way for one that restores a hedge's low health factor."""

from collections.abc import Generator

from pipeline import keys
from pipeline.act.lifecycle import check_move, state_of
from pipeline.act.settle import Due, Finished, stand
from pipeline.advance.book_context import BookContext
from pipeline.advance.pauses import refused_by_pause
from pipeline.advance.real_cost import with_cost
from pipeline.advance.stalls import finish
from pipeline.advance.value_feeds import waits_for_value
from pipeline.advance.vanished_positions import leave
from pipeline.book.inventory import Stock
from pipeline.decide.hedging import URGENT, offer_hedge
from pipeline.messages.base import Output
from pipeline.messages.effects import Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.goals import HedgeGoal, kind_of
from pipeline.messages.outcomes import Left
from pipeline.state.book_effects import effects_of
from pipeline.units import Bps
from pipeline.venues.registry import need_hedging


def gives_way(context: BookContext, stock: Stock) -> bool:
    """Return whether a book's plan has nothing in flight while a plan for low health is proposed.

    What was sent is seen to its end first: mined, or cancelled past its deadline. One plan for low health does not make way for another, but
    for one whose trade waits for a value feed.
    """
    shard, policy = context.shard, context.policy
    plan = shard.tables.find(keys.plan(policy.book), Plan)
    if not policy.hedge or plan is None or refused_by_pause(shard, policy) is not None:
        return False
    standing = stand(plan, shard.tables)
    if not isinstance(standing, Due):
        return False
    secures = isinstance(plan.goal, HedgeGoal) and need_hedging(policy).secures(plan.goal)
    if plan.closed is None and secures and not waits_for_value(context, plan, standing.phase):
        return False
    effects = effects_of(shard.tables, policy.book)
    offered = offer_hedge(shard, policy, stock, effects, context.block.timestamp_s)
    return offered is not None and offered.target.trigger == URGENT


def end_former(
    context: BookContext, path: BookPath, deviation_bps: Bps
) -> Generator[Output, None, Plan | None]:
    """Publish the end of a book's last plan, unless that was done, because another replaces it; return the plan if it is broken off.

    One that is broken off gives its cooldown back, and where no gas was paid for it, its part of the day's limits too: what it was for is
    proposed again once health allows it. What it left allowed is watched by the plan that takes its place. Raises: UnforeseenMoveError.
    """
    tables = context.shard.tables
    plan = tables.find(keys.plan(context.policy.book), Plan)
    if plan is None or plan.closed is not None or path.finished_plan == plan.id:
        return None
    acting, before, standing = (
        context.acting_for(kind_of(plan.goal)),
        state_of(plan, tables),
        stand(plan, tables),
    )
    if isinstance(standing, Finished):  # it gave up in this block what was left of it
        for said in finish(acting, plan):
            yield with_cost(context.shard, said, deviation_bps)
        return None
    assert isinstance(standing, Due), "nothing takes the place of a plan that has something in flight"
    left = Left(phase=standing.phase, reason="health_low")
    for said in leave(acting, plan, left):
        yield with_cost(context.shard, said, deviation_bps)
    check_move(before, "end")
    return plan
