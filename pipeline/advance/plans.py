"""A book's plan at the end of a block: opened by a proposal, carried on phase by phase, ended or left with an alert.

stand (settle) -> draft (plan) -> guard -> SubmitTransaction
"""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.clearing import clear, is_clearing
from pipeline.advance.counted import count_action
from pipeline.advance.holding_off import hold_off
from pipeline.advance.outlook import look_ahead
from pipeline.advance.phases import Held, Prepared, Ready, Stopped, command, prepare
from pipeline.advance.stalls import (
    close,
    finish,
    mend,
    put,
    refused,
    rest,
    stall,
    unstalled,
    wait,
)
from pipeline.advance.turn import Turn
from pipeline.advance.weighing import gives_swap_up, tries_again_later
from pipeline.allowances import allowances
from pipeline.decide import Refused
from pipeline.guard import Refusal
from pipeline.inventory import Stock
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanOpened, RebalanceProposed
from pipeline.messages.effects import PHASES, Bound, Plan
from pipeline.messages.entries import BookPath, Mined
from pipeline.settle import is_open, stand
from pipeline.units import Seconds


def find_plan(turn: Turn) -> Plan | None:
    """Look up the book's last plan."""
    return turn.shard.tables.find(keys.plan(turn.policy.book), Plan)


def plan_is_open(turn: Turn) -> bool:
    """Ask whether the book is in the middle of something."""
    plan = find_plan(turn)
    return is_clearing(turn, plan) if plan is not None and plan.closed else is_open(plan, turn.shard.tables)


def is_stranded(turn: Turn) -> bool:
    """Ask whether the book's last plan ended in the middle."""
    plan = find_plan(turn)
    return plan is not None and plan.closed is not None and plan.closed.startswith(("stalled", "left"))


# ------------------------------------------------------------------ open
def open_plan(
    turn: Turn,
    stock: Stock,
    path: BookPath,
    proposed_before_s: Seconds | None,
    proposal: RebalanceProposed,
) -> Iterator[Output]:
    """Begin to carry a proposal out, if every guard lets its first phase go."""
    plan_id = turn.now.stamp("plan", turn.policy.book, policy_version=turn.policy.policy_version)["id"]
    looked = look_ahead(turn, stock)
    if isinstance(looked, Refusal):
        hold_off(turn.shard, turn.policy, looked.reason, turn.block.timestamp_s, proposed_before_s)
        yield refused(turn, plan_id, "withdraw", looked)
        return
    goal, foreseen = looked
    plan = Plan(
        id=plan_id,
        made_at=turn.block,
        goal=goal,
        notional_quote=foreseen.moved_quote,
        proposed_before_s=proposed_before_s,
        allowances=tuple(allowances(turn.shard, turn.policy)),
        standing=_bounds(turn),
    )
    ready = prepare(turn, plan, "withdraw", stock, path, foreseen=foreseen)
    if not isinstance(ready, Ready):
        nothing = Refusal(reason="no_goal", detail="there is nothing to do")
        refusal = ready.refusal if isinstance(ready, Held) else nothing
        hold_off(turn.shard, turn.policy, refusal.reason, turn.block.timestamp_s, proposed_before_s)
        yield refused(turn, plan_id, "withdraw", refusal)
        return
    _forget_former(turn)
    plan = replace(plan, foreseen=ready.costs, deviation_before_bps=proposal.deviation_bps)
    yield PlanOpened(
        **turn.now.stamp("plan", turn.policy.book, policy_version=turn.policy.policy_version),
        book=turn.policy.book,
        plan=plan.id,
        pool=goal.pool,
        tick_lower=goal.tick_lower,
        tick_upper=goal.tick_upper,
        notional_quote=plan.notional_quote,
        cut_short=foreseen.cut_short,
        proposal=proposal.id,
        trigger=proposal.trigger,
        foreseen=ready.costs,
        share_before_bps=foreseen.share_before_bps,
        share_after_bps=foreseen.share_after_bps,
        deviation_bps=proposal.deviation_bps,
    )
    count_action(turn, plan.notional_quote, ready.costs)
    yield from command(turn, plan, ready)


def _forget_former(turn: Turn) -> None:
    """Let go of the intents of the plan before, which has ended, and of receipts that no reorg can change."""
    tables, former = turn.shard.tables, find_plan(turn)
    for step in former.steps if former else ():
        tables.put(keys.intent(step.intent), None)
    for key, receipt in list(tables.group(keys.receipt.family, Mined)):
        if receipt.at_block < turn.final_block:
            tables.put(key, None)


# ------------------------------------------------------------------ carry on
def carry_plan(turn: Turn, stock: Stock, path: BookPath) -> Iterator[Output]:
    """Do what the plan needs at this block, if it is open."""
    plan = find_plan(turn)
    if plan is None:
        return
    plan = _as_bounded_now(turn, plan)
    if plan.closed is not None:
        yield from clear(turn, plan, stock, path)
        return
    standing = stand(plan, turn.shard.tables)
    if standing.kind == "finished":
        yield from finish(turn, plan)
    elif standing.kind == "waiting":
        yield from wait(turn, plan, standing)
    elif standing.kind == "broken":
        yield from mend(turn, plan, standing)
    elif standing.kind == "due":
        phase = standing.phase or "withdraw"
        if not tries_again_later(turn, plan, phase, stock):
            yield from _go_on(turn, plan, prepare(turn, plan, phase, stock, path), stock)


def _as_bounded_now(turn: Turn, plan: Plan) -> Plan:
    """Hold what spenders may go on taking against the policy as it is now: it may have changed since."""
    bounds = _bounds(turn) if plan.allowances else plan.standing
    if bounds == plan.standing:
        return plan
    plan = replace(plan, standing=bounds)
    put(turn, plan)
    return plan


def _bounds(turn: Turn) -> tuple[Bound, ...]:
    found = allowances(turn.shard, turn.policy).items()
    return tuple(Bound(allowance=key, most=most) for key, most in found if most)


def _go_on(turn: Turn, plan: Plan, prepared: Prepared | None, stock: Stock) -> Iterator[Output]:
    match prepared:
        case Ready():
            yield from command(turn, plan, prepared)
        case Held(phase="swap", refusal=refusal, missed_quote=missed) if gives_swap_up(
            turn, plan, refusal, missed, stock
        ):
            put(turn, unstalled(replace(plan, given_up=(*plan.given_up, "swap"))))
        case Held(phase=phase, refusal=refusal):
            yield from stall(turn, plan, phase, refusal)
        case Stopped(phase=phase, why=why):
            yield from close(turn, plan, f"stopped at {phase}: {why}")
        case None:
            put(turn, unstalled(replace(plan, given_up=PHASES)))


def rest_plan(turn: Turn, unknown: Refused) -> Iterator[Output]:
    """Let an open plan wait for its book to be known again."""
    plan = find_plan(turn)
    standing = stand(plan, turn.shard.tables) if plan is not None else None
    if plan is None or plan.closed is not None or standing is None or standing.kind == "finished":
        return
    yield from rest(turn, plan, standing.phase or "withdraw", f"{unknown.reason}: {unknown.item}")
