"""A book's plan at the end of a block: opened by a proposal, carried on phase by phase, ended or left with an alert.

stand (settle) -> draft (plan) -> guard -> SubmitTransaction
"""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline.advance.assessed import assessed
from pipeline.advance.holding_off import hold_off
from pipeline.advance.phases import Held, Ready, command, prepare
from pipeline.advance.stalls import (
    finish,
    mend,
    put,
    refused,
    rest,
    stall,
    tries_again_later,
    unstalled,
    wait,
)
from pipeline.advance.turn import Turn
from pipeline.decide import Refused
from pipeline.errors import PipelineError
from pipeline.foresee import Foreseen, foresee, share_to_hold
from pipeline.goal import choose_goal, liquidity_to_move
from pipeline.guard import DAY_S, Refusal
from pipeline.inventory import Stock
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanOpened
from pipeline.messages.effects import PHASES, BookEffects, Goal, Phase, Plan
from pipeline.messages.entries import Mined, NftPosition
from pipeline.plan import grants, read_market
from pipeline.settle import is_open, stand
from pipeline.units import RawAmount, Seconds, TokenId


def find_plan(turn: Turn) -> Plan | None:
    """Look up the book's last plan."""
    return turn.shard.tables.find(f"plan/{turn.policy.book}", Plan)


def plan_is_open(turn: Turn) -> bool:
    """Ask whether the book is in the middle of something."""
    return is_open(find_plan(turn), turn.shard.tables)


def is_stranded(turn: Turn) -> bool:
    """Ask whether the book's last plan ended in the middle."""
    plan = find_plan(turn)
    return plan is not None and plan.closed is not None and plan.closed.startswith(("stalled", "left"))


# ------------------------------------------------------------------ open
def open_plan(turn: Turn, stock: Stock, proposed_before_s: Seconds | None) -> Iterator[Output]:
    """Begin to carry a proposal out, if every guard lets its first phase go."""
    plan_id = turn.now.stamp("plan", turn.policy.book, policy_version=turn.policy.policy_version)["id"]
    looked = _look_ahead(turn, stock)
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
        allowances=tuple(
            f"allowance/{turn.policy.owner}/{token}/{spender}"
            for token, spender in grants(turn.shard, turn.policy)
        ),
    )
    ready = prepare(turn, plan, "withdraw", foreseen)
    if not isinstance(ready, Ready):
        refusal = (
            Refusal(reason="no_goal", detail="there is nothing to do") if ready is None else ready.refusal
        )
        hold_off(turn.shard, turn.policy, refusal.reason, turn.block.timestamp_s, proposed_before_s)
        yield refused(turn, plan_id, "withdraw", refusal)
        return
    _forget_former(turn)
    yield PlanOpened(
        **turn.now.stamp("plan", turn.policy.book, policy_version=turn.policy.policy_version),
        book=turn.policy.book,
        plan=plan.id,
        pool=goal.pool,
        tick_lower=goal.tick_lower,
        tick_upper=goal.tick_upper,
        notional_quote=plan.notional_quote,
    )
    _count_action(turn, plan.notional_quote)
    yield from command(turn, plan, ready)


def _forget_former(turn: Turn) -> None:
    """Let go of the intents of the plan before, which has ended, and of receipts that no reorg can change."""
    tables, former = turn.shard.tables, find_plan(turn)
    for step in former.steps if former else ():
        tables.put(f"intent/{step.intent}", None)
    for key, receipt in list(tables.group("receipt", Mined)):
        if receipt.at_block < turn.final_block:
            tables.put(key, None)


def _count_action(turn: Turn, notional: RawAmount) -> None:
    key = f"effects/{turn.policy.book}"
    effects = turn.shard.tables.find(key, BookEffects) or BookEffects()
    since_s = turn.block.timestamp_s - DAY_S
    actions = tuple(action for action in effects.actions if action[0] > since_s)
    turn.shard.tables.put(key, replace(effects, actions=(*actions, (turn.block.timestamp_s, notional))))


# ------------------------------------------------------------------ carry on
def carry_plan(turn: Turn) -> Iterator[Output]:
    """Do what the plan needs at this block, if it is open."""
    plan = find_plan(turn)
    if plan is None or plan.closed is not None:
        return
    standing = stand(plan, turn.shard.tables)
    if standing.kind == "finished":
        yield from finish(turn, plan)
    elif standing.kind == "waiting":
        yield from wait(turn, plan, standing)
    elif standing.kind == "broken":
        yield from mend(turn, plan, standing)
    elif standing.kind == "due" and not tries_again_later(turn, plan):
        yield from _go_on(turn, plan, standing.phase or "withdraw")


def _go_on(turn: Turn, plan: Plan, due: Phase) -> Iterator[Output]:
    ready = prepare(turn, plan, due, None)
    if isinstance(ready, Held):
        yield from stall(turn, plan, ready.phase, ready.refusal)
    elif ready is None:
        put(turn, unstalled(replace(plan, given_up=PHASES)))
    else:
        yield from command(turn, plan, ready)


def rest_plan(turn: Turn, unknown: Refused) -> Iterator[Output]:
    """Let an open plan wait for its book to be known again."""
    plan = find_plan(turn)
    standing = stand(plan, turn.shard.tables) if plan is not None else None
    if plan is None or plan.closed is not None or standing is None or standing.kind == "finished":
        return
    yield from rest(turn, plan, standing.phase or "withdraw", f"{unknown.reason}: {unknown.item}")


def _look_ahead(turn: Turn, stock: Stock) -> tuple[Goal, Foreseen] | Refusal:
    """Choose the goal, and tell what it would come to with all that its withdrawal pays."""
    shard, policy = turn.shard, turn.policy
    try:
        leaving = liquidity_to_move(shard, policy)
        freed = _freed(turn, leaving)
        goal = choose_goal(shard, policy, leaving, share_to_hold(shard, policy, stock, freed))
    except PipelineError as error:
        return Refusal(reason="no_goal", detail=str(error))
    try:
        market = read_market(shard, policy, turn.block.timestamp_s, turn.base_fee_wei)
        return goal, foresee(shard, policy, goal, market, stock, freed=freed)
    except PipelineError as error:
        return Refusal(reason="not_plannable", detail=str(error))


def _freed(turn: Turn, leaving: tuple[TokenId, ...]) -> tuple[RawAmount, RawAmount]:
    """Add up what leaving NFTs pay: principal and fees."""
    shard = turn.shard
    keys = [f"position/{turn.policy.chain.position_manager}/{token_id}" for token_id in leaving]
    held = [assessed(shard, key, shard.tables.need(key, NftPosition)) for key in keys]
    return (
        RawAmount(sum(each.principal0 + each.fees0 for each in held)),
        RawAmount(sum(each.principal1 + each.fees1 for each in held)),
    )
