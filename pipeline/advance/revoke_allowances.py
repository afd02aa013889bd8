"""Revoke, as soon as possible, the allowances that a plan left when it ended in the middle."""

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.allowances import allowances
from pipeline.act.settle import Broken, Due, Finished, fails_alike, is_final, stand, still_watched
from pipeline.advance.book_context import BookContext, Moving
from pipeline.advance.commands import command
from pipeline.advance.phases import Held, Ready, prepare
from pipeline.advance.stalls import forget_broken, put, refused
from pipeline.book.inventory import Stock
from pipeline.messages.effects import Intent, Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.goals import Phase
from pipeline.messages.outcomes import Unanswered


def is_clearing(context: BookContext, plan: Plan | None) -> bool:
    """Return whether an ended plan is revoking allowances at the moment: no other begins beside it."""
    if plan is None or not _may_be_cleared(context, plan):
        return False
    standing = stand(plan, context.shard.tables)
    reset = plan.names[-1]
    return not isinstance(standing, Finished) and standing.phase == reset and not fails_alike(plan, reset)


def clear(context: BookContext, plan: Plan, stock: Stock, path: BookPath) -> Moving:
    """Revoke the allowances that an ended plan left."""
    if not _may_be_cleared(context, plan):
        return "wait"
    plan = _without_unanswered(context, plan)
    match stand(plan, context.shard.tables):
        case Finished() if is_final(plan, context.shard.tables, context.final_block):
            put(context, replace(plan, allowances=still_watched(plan)))
        case Broken() as broken:
            put(context, forget_broken(context, plan, broken))
            return "hold"
        case Due(phase=phase) if not _tries_later(context, plan):
            return (yield from _reset(context, plan, phase, stock, path))
    return "wait"


def _may_be_cleared(context: BookContext, plan: Plan) -> bool:
    """Return whether the allowances are of the book's present owner to its spenders; another policy may name others."""
    if context.policy.mode != "live" or not plan.allowances:
        return False
    grants = context.actions.grants(context.shard, context.policy)
    return set(plan.allowances) <= set(allowances(context.policy, grants))


def _without_unanswered(context: BookContext, plan: Plan) -> Plan:
    """Give up transactions that the signer has not answered within their maximum age: it would refuse them by now."""
    oldest = context.block.number - context.policy.limits.max_age_blocks
    steps = tuple(
        replace(step, outcome=Unanswered())
        if step.outcome is None
        and (intent := context.shard.tables.find(keys.intent(step.intent), Intent)) is not None
        and not intent.hashes
        and intent.made_at_block < oldest
        else step
        for step in plan.steps
    )
    if steps != plan.steps:
        plan = replace(plan, steps=steps)
        put(context, plan)
    return plan


def _tries_later(context: BookContext, plan: Plan) -> bool:
    since_s = context.block.timestamp_s - (plan.commanded_at_s or context.block.timestamp_s)
    return fails_alike(plan, plan.names[-1]) and since_s < context.policy.action.stall_after_s


def _reset(context: BookContext, plan: Plan, phase: Phase, stock: Stock, path: BookPath) -> Moving:
    prepared = prepare(context, plan, phase, stock, path)
    if isinstance(prepared, Ready):
        return (yield from command(context, plan, prepared))
    if isinstance(prepared, Held) and plan.stalled_reason != prepared.refusal.reason:
        yield refused(context, plan.id, phase, prepared.refusal)
        put(context, replace(plan, stalled_reason=prepared.refusal.reason))
    return "hold"
