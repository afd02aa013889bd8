"""End a plan that has moved nothing and whose goal names positions that no longer exist, and judge its book again.

A reorg can bring that about: a plan is opened at the block in which the one before minted, and that block goes away.
"""

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.settle import Broken, Due, Standing, has_moved, is_on_branch
from pipeline.advance.book_context import BookContext, Moving
from pipeline.advance.stalls import close
from pipeline.errors import PipelineError
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.outcomes import Left


def find_gone(context: BookContext, plan: Plan, standing: Standing) -> Left | None:
    """Return how a plan ends whose goal names items that no longer exist; None: all exist, or some of it is in flight or has moved."""
    if not isinstance(standing, Due | Broken) or has_moved(plan, context.shard.tables):
        return None
    try:
        item = context.actions.find_gone(context.shard, context.policy, plan.goal)
    except PipelineError:  # what is not known is not gone
        return None
    return None if item is None else Left(phase=standing.phase, reason="position_gone", item=item)


def leave(context: BookContext, plan: Plan, gone: Left) -> Moving:
    """End a plan whose items are gone, and give its cooldown back; where no gas was paid, its part of the day's limits too."""
    key = keys.effects(context.policy.book)
    effects = context.shard.tables.need(key, BookEffects)
    effects = replace(effects, last_proposed_at_s=plan.proposed_before_s)
    if not is_on_branch(plan, context.shard.tables):
        effects = replace(effects, actions=effects.actions[:-1])
    context.shard.tables.put(key, effects)
    return (yield from close(context, plan, gone))
