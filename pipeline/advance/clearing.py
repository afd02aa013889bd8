"""What a plan that ended in the middle still lets others take is taken back, as soon as that can be."""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.phases import Held, Ready, command, prepare
from pipeline.advance.stalls import forget_broken, put, refused
from pipeline.advance.turn import Turn
from pipeline.allowances import allowances
from pipeline.inventory import Stock
from pipeline.messages.base import Output
from pipeline.messages.effects import Intent, Plan
from pipeline.messages.entries import BookPath
from pipeline.settle import Standing, fails_alike, is_final, stand, still_watched


def is_clearing(turn: Turn, plan: Plan | None) -> bool:
    """Ask whether a plan that has ended takes something back at the moment: no other one begins beside it."""
    if plan is None or not _may_be_cleared(turn, plan):
        return False
    standing = stand(plan, turn.shard.tables)
    return standing.phase == "reset" and not fails_alike(plan, "reset")


def clear(turn: Turn, plan: Plan, stock: Stock, path: BookPath) -> Iterator[Output]:
    """Take back what a plan that has ended left allowed."""
    if not _may_be_cleared(turn, plan):
        return
    plan = _without_unanswered(turn, plan)
    standing = stand(plan, turn.shard.tables)
    if standing.kind == "finished":
        if is_final(plan, turn.shard.tables, turn.final_block):
            put(turn, replace(plan, allowances=still_watched(plan)))
    elif standing.kind == "broken":
        put(turn, forget_broken(turn, plan, standing))
    elif standing.kind == "due" and not _tries_later(turn, plan):
        yield from _reset(turn, plan, standing, stock, path)


def _may_be_cleared(turn: Turn, plan: Plan) -> bool:
    """Only what the owner whom the book still has allows its spenders; another policy may name others."""
    if turn.policy.mode != "live" or not plan.allowances:
        return False
    return set(plan.allowances) <= set(allowances(turn.shard, turn.policy))


def _without_unanswered(turn: Turn, plan: Plan) -> Plan:
    """Give up what the signer has not answered within its age: it would refuse it by now."""
    oldest = turn.block.number - turn.policy.limits.max_age_blocks
    steps = tuple(
        replace(step, outcome="unanswered")
        if step.outcome is None
        and (intent := turn.shard.tables.find(keys.intent(step.intent), Intent)) is not None
        and not intent.hashes
        and intent.made_at_block < oldest
        else step
        for step in plan.steps
    )
    if steps != plan.steps:
        plan = replace(plan, steps=steps)
        put(turn, plan)
    return plan


def _tries_later(turn: Turn, plan: Plan) -> bool:
    since_s = turn.block.timestamp_s - (plan.commanded_at_s or turn.block.timestamp_s)
    return fails_alike(plan, "reset") and since_s < turn.policy.action.stall_after_s


def _reset(turn: Turn, plan: Plan, standing: Standing, stock: Stock, path: BookPath) -> Iterator[Output]:
    prepared = prepare(turn, plan, standing.phase or "reset", stock, path)
    if isinstance(prepared, Ready):
        yield from command(turn, plan, prepared)
    elif isinstance(prepared, Held) and plan.stalled_reason != prepared.refusal.reason:
        yield refused(turn, plan.id, "reset", prepared.refusal)
        put(turn, replace(plan, stalled_reason=prepared.refusal.reason))
