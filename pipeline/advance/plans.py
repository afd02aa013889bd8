"""Open a book's plan, continue it phase by phase at the end of each block, and end it or raise an alert.

stand (settle) -> draft (plan) -> guard -> SubmitTransaction
"""

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from pipeline import keys
from pipeline.act.allowances import Grant, allowances
from pipeline.act.guards import GuardRefusal
from pipeline.act.lifecycle import check_move, state_of
from pipeline.act.settle import Broken, Due, Finished, Waiting, is_open, stand
from pipeline.advance.book_context import BookContext, Moving
from pipeline.advance.busy_signer import waits_for_signer
from pipeline.advance.commands import command
from pipeline.advance.daily_counts import count_action, rest_hedge
from pipeline.advance.market_refusals import give_back_cooldown
from pipeline.advance.outlook import look_ahead
from pipeline.advance.phases import Held, Prepared, Ready, prepare
from pipeline.advance.preemption import end_former
from pipeline.advance.revoke_allowances import clear, is_clearing
from pipeline.advance.stalls import (
    close,
    finish,
    give_up,
    mend,
    put,
    refused,
    rest,
    stall,
    wait,
)
from pipeline.advance.vanished_positions import find_gone, leave
from pipeline.advance.wait_or_continue import gives_trades_up, tries_again_later
from pipeline.book.inventory import Stock
from pipeline.book.stock import outside_hedge
from pipeline.decide.gates import Unknown
from pipeline.decide.hedging import UNWIND
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanOpened, RebalanceProposed
from pipeline.messages.effects import Bound, Plan
from pipeline.messages.entries import BookPath, Mined
from pipeline.messages.goals import kind_of
from pipeline.messages.outcomes import Left, NeverSent, Stalled, Stopped
from pipeline.units import Seconds


def find_plan(context: BookContext) -> Plan | None:
    """Return the book's last plan."""
    return context.shard.tables.find(keys.plan(context.policy.book), Plan)


def plan_is_open(context: BookContext) -> bool:
    """Return whether the book has an open plan."""
    plan = find_plan(context)
    return (
        is_clearing(context.acting_for(kind_of(plan.goal)), plan)
        if plan is not None and plan.closed
        else is_open(plan, context.shard.tables)
    )


def is_stranded(context: BookContext) -> bool:
    """Return whether a re-range ended in the middle, and no other has moved anything since; a hedge's plan does not change that."""
    plan = find_plan(context)
    if plan is None:
        return False
    if kind_of(plan.goal) == "hedge_to" or isinstance(plan.closed, NeverSent | Stopped):
        return plan.found_stranded is True
    return isinstance(plan.closed, Stalled | Left)


# ------------------------------------------------------------------ open
def open_plan(
    context: BookContext,
    stock: Stock,
    path: BookPath,
    proposed_before_s: Seconds | None,
    proposal: RebalanceProposed,
) -> Iterator[Output]:
    """Open a plan for a proposal, if every guard allows its first phase."""
    plan_id = context.now.stamp("plan", context.policy.book, policy_version=context.policy.policy_version)[
        "id"
    ]
    looked = look_ahead(context, stock)
    if isinstance(looked, GuardRefusal):
        give_back_cooldown(
            context.shard, context.policy, looked.reason, context.block.timestamp_s, proposed_before_s
        )
        yield refused(context, plan_id, context.actions.phases[0].name, looked)
        return
    goal, foreseen = looked
    plan = Plan(
        id=plan_id,
        made_at=context.block,
        goal=goal,
        phases=context.actions.phases_of(goal),
        notional_quote=foreseen.moved_quote,
        proposed_before_s=proposed_before_s,
        allowances=tuple(allowances(context.policy, _grants(context))),
        standing=_bounds(context),
    )
    ready = prepare(context, plan, plan.names[0], stock, path, foreseen=foreseen)
    if not isinstance(ready, Ready):
        nothing = GuardRefusal(reason="no_goal", detail="there is nothing to do")
        refusal = ready.refusal if isinstance(ready, Held) else nothing
        give_back_cooldown(
            context.shard, context.policy, refusal.reason, context.block.timestamp_s, proposed_before_s
        )
        yield refused(context, plan_id, plan.names[0], refusal)
        return
    former = yield from end_former(context, path, proposal.deviation_bps)
    before = state_of(find_plan(context), context.shard.tables)
    plan = replace(
        plan,
        proposed_before_s=former.proposed_before_s if former else proposed_before_s,
        found_stranded=is_stranded(context) or UNSET,
        foreseen=ready.costs,
        deviation_before_bps=proposal.deviation_bps,
    )
    _forget_former(context)
    yield PlanOpened(
        **context.now.stamp("plan", context.policy.book, policy_version=context.policy.policy_version),
        book=context.policy.book,
        plan=plan.id,
        goal=goal,
        notional_quote=plan.notional_quote,
        cut_short=foreseen.cut_short,
        proposal=proposal.id,
        trigger=proposal.trigger,
        foreseen=ready.costs,
        share_before_bps=foreseen.share_before_bps,
        share_after_bps=foreseen.share_after_bps,
        deviation_bps=proposal.deviation_bps,
    )
    count_action(context, plan.notional_quote, ready.costs)
    if context.kind != "rerange" and not foreseen.cut_short and proposal.trigger != UNWIND:
        rest_hedge(context)
    yield from command(context, plan, ready)
    check_move(before, "open")


def _forget_former(context: BookContext) -> None:
    """Drop the intents of the former plan, which has ended, and receipts that no reorg can change."""
    tables, former = context.shard.tables, find_plan(context)
    for step in former.steps if former else ():
        tables.put(keys.intent(step.intent), None)
    for key, receipt in list(tables.group(keys.receipt.family, Mined)):
        if receipt.at_block < context.final_block:
            tables.put(key, None)


# ------------------------------------------------------------------ carry on
def continue_plan(context: BookContext, stock: Stock, path: BookPath) -> Iterator[Output]:
    """Do what the plan needs at this block, and check the transition against the table of its life. Raises: UnforeseenMoveError."""
    plan = find_plan(context)
    if plan is None:
        return
    context = context.acting_for(kind_of(plan.goal))
    stock = stock if context.kind == "hedge_to" else outside_hedge(context.policy, stock)
    plan = _as_bounded_now(context, plan)
    before = state_of(plan, context.shard.tables)
    move = yield from _carry(context, plan, stock, path)
    check_move(before, move)


def _carry(context: BookContext, plan: Plan, stock: Stock, path: BookPath) -> Moving:
    if plan.closed is not None:
        return (yield from clear(context, plan, stock, path))
    standing = stand(plan, context.shard.tables)
    gone = find_gone(context, plan, standing)
    if gone is not None:
        return (yield from leave(context, plan, gone))
    match standing:
        case Finished():
            return (yield from finish(context, plan))
        case Waiting() as waiting:
            return (yield from wait(context, plan, waiting))
        case Broken() as broken:
            return (yield from mend(context, plan, broken))
        case Due(phase=phase):
            if waits_for_signer(context, plan, phase) or tries_again_later(context, plan, phase, stock):
                return "wait"
            return (yield from _go_on(context, plan, prepare(context, plan, phase, stock, path), stock))


def _as_bounded_now(context: BookContext, plan: Plan) -> Plan:
    """Compare standing allowances with the present policy, which may have changed since."""
    bounds = _bounds(context) if plan.allowances else plan.standing
    if bounds == plan.standing:
        return plan
    plan = replace(plan, standing=bounds)
    put(context, plan)
    return plan


def _bounds(context: BookContext) -> tuple[Bound, ...]:
    found = allowances(context.policy, _grants(context)).items()
    return tuple(Bound(allowance=key, most=most) for key, most in found if most)


def _go_on(context: BookContext, plan: Plan, prepared: Prepared | None, stock: Stock) -> Moving:
    match prepared:
        case Ready():
            return (yield from command(context, plan, prepared))
        case Held(phase=phase, refusal=refusal, missed_quote=missed) if phase in plan.doing(
            "trades"
        ) and gives_trades_up(context, plan, refusal, missed, stock):
            return give_up(context, plan, plan.doing("trades"))
        case Held(phase=phase, refusal=refusal):
            return (yield from stall(context, plan, phase, refusal))
        case Stopped():
            return (yield from close(context, plan, prepared))
        case None:
            return give_up(context, plan, plan.names)


def _grants(context: BookContext) -> tuple[Grant, ...]:
    return context.actions.grants(context.shard, context.policy)


def suspend_plan(context: BookContext, unknown: Unknown) -> Iterator[Output]:
    """Let an open plan wait until its book's inventory is known again."""
    plan = find_plan(context)
    if plan is None or plan.closed is not None:
        return
    standing = stand(plan, context.shard.tables)
    if not isinstance(standing, Finished):
        refusal = GuardRefusal(reason=unknown.reason, detail=unknown.item)
        yield from rest(context, plan, standing.phase, refusal)
