"""A book's plan at the end of a block: opened by a proposal, carried on phase by phase, ended or left with an alert.

stand (settle) -> draft (plan) -> guard -> SubmitTransaction
"""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from pipeline.advance.turn import Turn
from pipeline.errors import PipelineError
from pipeline.guard import DAY_S, Question, Refusal, guard
from pipeline.inventory import Stock
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanClosed, PlanOpened, PlanStalled, StepRefused
from pipeline.messages.effects import BookEffects, Intent, Phase, Plan, PlannedStep
from pipeline.messages.entries import BookPath, Mined
from pipeline.messages.transactions import SubmitTransaction
from pipeline.moment import Moment
from pipeline.plan import Draft, Market, as_is, choose_goal, draft, read_market
from pipeline.settle import Standing, is_open, never_sent, stand
from pipeline.shard import Shard
from pipeline.units import BookId, RawAmount, Seconds


class _Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may go out."""

    phase: Phase
    drafts: tuple[Draft, ...]


def find_plan(turn: Turn) -> Plan | None:
    """Look up the book's last plan."""
    return turn.shard.tables.find(f"plan/{turn.policy.book}", Plan)


def plan_is_open(turn: Turn) -> bool:
    """Ask whether the book is in the middle of something."""
    return is_open(find_plan(turn), turn.shard.tables)


# ------------------------------------------------------------------ open
def open_plan(turn: Turn, stock: Stock, proposed_before_s: Seconds | None) -> Iterator[Output]:
    """Begin to carry a proposal out, if every guard lets its first phase go."""
    notional = stock.value_quote
    plan_id = turn.now.stamp("plan", turn.policy.book, policy_version=turn.policy.policy_version)["id"]
    try:
        goal = choose_goal(turn.shard, turn.policy)
    except PipelineError as error:
        yield _refused(turn, plan_id, "withdraw", Refusal(reason="no_goal", detail=str(error)))
        return
    plan = Plan(
        id=plan_id,
        made_at=turn.block,
        goal=goal,
        notional_quote=notional,
        proposed_before_s=proposed_before_s,
    )
    plan, ready = _prepare(turn, plan, opening=True)
    if isinstance(ready, Refusal):
        yield _refused(turn, plan_id, "withdraw", ready)
        return
    _forget_former(turn)
    yield PlanOpened(
        **turn.now.stamp("plan", turn.policy.book, policy_version=turn.policy.policy_version),
        book=turn.policy.book,
        plan=plan.id,
        pool=goal.pool,
        tick_lower=goal.tick_lower,
        tick_upper=goal.tick_upper,
        notional_quote=notional,
    )
    _count_action(turn, notional)
    yield from _command(turn, plan, ready)


def _forget_former(turn: Turn) -> None:
    """Let go of the intents of the plan before, which has ended, and of receipts that no reorg can change."""
    tables, former = turn.shard.tables, find_plan(turn)
    for step in former.steps if former else ():
        tables.put(f"intent/{step.intent}", None)
    final = turn.block.number - turn.policy.chain.final_depth_blocks
    for key, receipt in list(tables.group("receipt", Mined)):
        if receipt.at_block < final:
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
        yield from _finish(turn, plan)
    elif standing.kind == "waiting":
        yield from _wait(turn, plan, standing)
    elif standing.kind == "broken":
        yield from _mend(turn, plan, standing)
    elif standing.kind == "due":
        plan, ready = _prepare(turn, plan, opening=False)
        if isinstance(ready, Refusal):
            yield from _stall(turn, plan, standing.phase or "withdraw", ready)
        else:
            yield from _command(turn, plan, ready)


def _prepare(turn: Turn, plan: Plan, *, opening: bool) -> tuple[Plan, _Ready | Refusal | None]:
    """Draft the next phase that has anything to do, and ask the guards; None: nothing is left to do."""
    standing = stand(plan, turn.shard.tables)
    if standing.phase is None or standing.kind != "due":
        return plan, None
    try:
        market = read_market(turn.shard, turn.policy, turn.block.timestamp_s, turn.base_fee_wei)
        drafts = draft(standing.phase, turn.shard, turn.policy, plan.goal, market)
    except PipelineError as error:
        return plan, Refusal(reason="not_plannable", detail=str(error))
    if not drafts:
        return _prepare(turn, replace(plan, skipped=(*plan.skipped, standing.phase)), opening=opening)
    refusal = guard(_question(turn, plan, market, drafts, opening=opening))
    return plan, refusal or _Ready(phase=standing.phase, drafts=drafts)


def _question(
    turn: Turn, plan: Plan, market: Market, drafts: tuple[Draft, ...], *, opening: bool
) -> Question:
    return Question(
        shard=turn.shard,
        policy=turn.policy,
        market=market,
        effects=turn.shard.tables.find(f"effects/{turn.policy.book}", BookEffects) or BookEffects(),
        drafts=drafts,
        notional_quote=plan.notional_quote,
        opening=opening,
    )


def _command(turn: Turn, plan: Plan, ready: _Ready | None) -> Iterator[Output]:
    """Say a phase's transactions, and remember each as an open intent."""
    after = plan.steps[-1].intent if plan.steps else None
    steps: list[PlannedStep] = []
    for place, each in enumerate(ready.drafts if ready else ()):
        assert ready is not None
        action = f"{plan.id}/{ready.phase}/{place}/{plan.attempt}"
        command = _submit(turn, plan, action, each, after)
        after = command.digest
        steps.append(PlannedStep(phase=ready.phase, step=each.step, intent=command.digest))
        intent = Intent(book=turn.policy.book, plan=plan.id, step=each.step, made_at_block=turn.block.number)
        turn.shard.tables.put(f"intent/{command.digest}", intent)
        yield command
    plan = replace(plan, steps=(*plan.steps, *steps), commanded_at_s=turn.block.timestamp_s)
    _put(turn, plan if ready and plan.stalled_phase == ready.phase else _unstalled(plan))


def _unstalled(plan: Plan) -> Plan:
    return replace(plan, stalled_since_s=None, stalled_phase=None, stalled_reason=None)


def _submit(turn: Turn, plan: Plan, action: str, each: Draft, after: str | None) -> SubmitTransaction:
    policy = turn.policy
    return SubmitTransaction(
        **turn.now.stamp("int", policy.book, action=action, policy_version=policy.policy_version),
        book=policy.book,
        policy_version=policy.policy_version,
        owner=policy.owner,
        signer=policy.signer or policy.owner,
        plan=plan.id,
        step=each.step,
        attempt=plan.attempt,
        position=f"book/{policy.book}",
        after=after,
        made_at=turn.block,
        call=each.call,
        minimums=each.minimums,
        deadline_s=Seconds(turn.block.timestamp_s + policy.limits.deadline_s),
        max_age_blocks=policy.limits.max_age_blocks,
        max_fee_per_gas_wei=policy.limits.max_fee_per_gas_wei,
    )


# ------------------------------------------------------------------ end without blocks
def unfinished_plans(shard: Shard) -> dict[str, bool]:
    """Tell of every plan that is not closed, by book, whether all of it is mined."""
    return {
        key.partition("/")[2]: stand(plan, shard.tables).kind == "finished"
        for key, plan in shard.tables.group("plan", Plan)
        if plan.closed is None
    }


def end_plans(shard: Shard, finished: dict[str, bool], why: str, now: Moment) -> Iterator[Output]:
    """Close plans whose receipts are about to be forgotten: what they were for must be judged anew."""
    for book, done in finished.items():
        plan = shard.tables.need(f"plan/{book}", Plan)
        outcome = "done" if done else why
        shard.tables.put(f"plan/{book}", replace(plan, closed=outcome))
        if not done:
            stamp = now.stamp("plan", book, action="closed")
            yield PlanClosed(**stamp, book=BookId(book), plan=plan.id, outcome=outcome)


# ------------------------------------------------------------------ the middle has a name
def _wait(turn: Turn, plan: Plan, standing: Standing) -> Iterator[Output]:
    """Say, once, that nobody answers; what is signed may still be mined, so nothing is given up."""
    waited_s = turn.block.timestamp_s - (plan.commanded_at_s or turn.block.timestamp_s)
    if plan.stalled_reason == "unanswered" or waited_s < turn.policy.action.stall_after_s:
        return
    stamp = turn.now.stamp("stall", turn.policy.book, action=f"{standing.phase}/unanswered")
    reason = f"unanswered: {standing.reason}"
    yield PlanStalled(
        **stamp, book=turn.policy.book, plan=plan.id, phase=standing.phase or "withdraw", reason=reason
    )
    _put(turn, replace(plan, stalled_reason="unanswered"))


def _mend(turn: Turn, plan: Plan, standing: Standing) -> Iterator[Output]:
    """A transaction failed or was refused: end a plan that never began, make the phase anew otherwise."""
    if never_sent(plan, turn.shard.tables):
        yield from _give_up_unsent(turn, plan, standing.reason)
        return
    broken = [s for s in plan.steps if s.phase == standing.phase]
    kept = tuple(step for step in plan.steps if step not in broken)
    plan = replace(plan, steps=kept, attempt=plan.attempt + 1)
    refusal = Refusal(reason="step_failed", detail=standing.reason)
    yield from _stall(turn, plan, standing.phase or "withdraw", refusal)


def _give_up_unsent(turn: Turn, plan: Plan, reason: str) -> Iterator[Output]:
    """Close a plan of which nothing was signed: nothing has changed, so its cooldown is given back."""
    key = f"effects/{turn.policy.book}"
    effects = turn.shard.tables.need(key, BookEffects)
    given_back = replace(effects, last_proposed_at_s=plan.proposed_before_s, actions=effects.actions[:-1])
    turn.shard.tables.put(key, given_back)
    yield from _close(turn, plan, f"never sent: {reason}")


def _stall(turn: Turn, plan: Plan, phase: Phase, refusal: Refusal) -> Iterator[Output]:
    """Say why the plan does not go on, once a reason; after the policy's time do what it says."""
    now_s = turn.block.timestamp_s
    known = plan.stalled_since_s is not None and plan.stalled_phase == phase
    since_s = plan.stalled_since_s if known and plan.stalled_since_s is not None else now_s
    if plan.stalled_reason != refusal.reason:
        if refusal.reason != "step_failed":
            yield _refused(turn, plan.id, phase, refusal)
        stamp = turn.now.stamp("stall", turn.policy.book, action=f"{phase}/{refusal.reason}")
        reason = f"{refusal.reason}: {refusal.detail}"
        yield PlanStalled(**stamp, book=turn.policy.book, plan=plan.id, phase=phase, reason=reason)
    plan = replace(plan, stalled_since_s=since_s, stalled_phase=phase, stalled_reason=refusal.reason)
    action = turn.policy.action
    if now_s - since_s < action.stall_after_s or action.on_stall == "wait":
        _put(turn, plan)
    elif action.on_stall == "mint_as_is" and phase == "swap":
        goal = as_is(turn.shard, turn.policy, plan.goal)
        skipped = (*plan.skipped, phase)
        _put(turn, _unstalled(replace(plan, goal=goal, skipped=skipped)))
    else:
        yield from _close(turn, plan, f"stalled at {phase}: {refusal.reason}")


def _finish(turn: Turn, plan: Plan) -> Iterator[Output]:
    """Tell the end, once on a branch: receipts may go away with a reorg, and then it is open again."""
    path = turn.shard.tables.find(f"path/{turn.policy.book}", BookPath)
    if path is not None and path.finished_plan == plan.id:
        return
    stamp = turn.now.stamp("plan", turn.policy.book, action="done")
    yield PlanClosed(**stamp, book=turn.policy.book, plan=plan.id, outcome="done")


def _close(turn: Turn, plan: Plan, outcome: str) -> Iterator[Output]:
    _put(turn, replace(plan, closed=outcome))
    stamp = turn.now.stamp("plan", turn.policy.book, action="closed")
    yield PlanClosed(**stamp, book=turn.policy.book, plan=plan.id, outcome=outcome)


def _refused(turn: Turn, plan_id: str, phase: Phase, refusal: Refusal) -> StepRefused:
    stamp = turn.now.stamp("stall", turn.policy.book, action=f"{phase}/refused/{refusal.reason}")
    return StepRefused(
        **stamp,
        book=turn.policy.book,
        plan=plan_id,
        phase=phase,
        reason=refusal.reason,
        detail=refusal.detail,
    )


def _put(turn: Turn, plan: Plan) -> None:
    turn.shard.tables.put(f"plan/{turn.policy.book}", plan)
