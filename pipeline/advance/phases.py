"""Carry out a phase that is due: reconsider it on the book as it is, draft its transactions, and ask the guards."""

import msgspec
from msgspec.structs import replace

from pipeline.act.drafts import Draft
from pipeline.act.foresight import Foreseen, Market
from pipeline.act.guards import GuardRefusal, Question, costs_of, guard
from pipeline.act.settle import fails_alike, failure_of, has_withdrawn_tokens, moves_withdrawn_tokens
from pipeline.advance.book_context import BookContext
from pipeline.advance.outlook import look_ahead
from pipeline.advance.wait_or_continue import gas_to_wait_for, goes_in_part, waits_to_allow_s
from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.decide.hedging import hedge_trigger
from pipeline.decide.strategies import STRATEGIES, Rest
from pipeline.errors import PipelineError, SwapLimitedError, UnsettledOrderError
from pipeline.messages.costs import ForeseenCost
from pipeline.messages.effects import Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.goals import APPROVE, Goal, Phase
from pipeline.messages.outcomes import Stopped, step_outcome_text
from pipeline.state.book_effects import effects_of
from pipeline.units import RawAmount


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may be sent, with the goal that it is made for."""

    phase: Phase
    drafts: tuple[Draft, ...]
    goal: Goal
    costs: ForeseenCost
    """Of the whole plan where it is about to begin, else of the phase."""
    why: str = ""
    """Why the plan does not go on as before; empty: it does."""
    missed_quote: RawAmount = RawAmount(0)
    """What waiting has cost in fees, where its tokens lie outside."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may not be sent, and why."""

    phase: Phase
    refusal: GuardRefusal
    missed_quote: RawAmount = RawAmount(0)
    """What waiting has cost in fees, where its tokens lie outside."""


Prepared = Ready | Held | Stopped


def prepare(
    context: BookContext,
    plan: Plan,
    due: Phase,
    stock: Stock,
    path: BookPath,
    *,
    foreseen: Foreseen | None = None,
) -> Prepared | None:
    """Make the first phase, from the due one on, that has something to do; None: nothing is left.

    What moves or sizes anything is judged again on the book as it is. What is foreseen of the whole is given where the
    plan is to begin: then that judgement was made a moment ago.
    """
    goal, why, phases = plan.goal, "", plan.names
    for phase in phases[phases.index(due) :]:
        if phase in plan.given_up:
            continue
        made = _make(context, plan, phase, goal, stock, foreseen=foreseen)
        if isinstance(made, Held):
            return made
        goal, why = made.goal, made.why or why
        if made.drafts and phase == phases[0] and foreseen is None:
            begun = _begin_again(context, plan, stock, path, made.market)
            if isinstance(begun, Stopped) and has_withdrawn_tokens(plan, context.shard.tables):
                continue  # what a part of it has taken out is placed, the rest stays where it is
            return begun
        if made.drafts:
            return _judge(context, plan, phase, replace(made, why=why), stock, foreseen=foreseen)
    return None


class _Made(msgspec.Struct, frozen=True, kw_only=True):
    """A phase made on the present book; without drafts there is nothing to do."""

    market: Market
    missed_quote: RawAmount
    goal: Goal
    why: str
    drafts: tuple[Draft, ...]


def _make(
    context: BookContext, plan: Plan, phase: Phase, goal: Goal, stock: Stock, *, foreseen: Foreseen | None
) -> _Made | Held:
    """Reconsider a phase and draft its transactions, or say why that is impossible."""
    shard, policy, actions = context.shard, context.policy, context.actions
    try:
        market = actions.read_market(
            shard, policy, context.block.timestamp_s, context.base_fee_wei, phase=phase
        )
        missed = _missed(context, plan, phase, goal, stock)
        market = _after_waiting(context, plan, phase, market, missed, stock=stock)
    except PipelineError as error:
        return _not_plannable(phase, error)
    try:
        course = actions.reconsider(shard, policy, goal, market, stock, phase=phase)
        goal = course.goal if course.why else goal
        drafts = () if course.skips else actions.draft(shard, policy, goal, market, stock, phase=phase)
        drafts = _with_behind(context, plan, phase, drafts, goal=goal, market=market, stock=stock)
    except SwapLimitedError as error:
        limited = GuardRefusal(reason="swap_limited", detail=str(error))
        asked = _question(context, plan.notional_quote, stock, market, (), goal=goal, foreseen=foreseen)
        earlier = guard(asked)
        return Held(phase=phase, refusal=earlier or limited, missed_quote=missed)
    except UnsettledOrderError as error:
        return Held(phase=phase, refusal=GuardRefusal(reason=error.reason, detail=str(error)))
    except PipelineError as error:
        return _not_plannable(phase, error)
    return _Made(market=market, missed_quote=missed, goal=goal, why=course.why, drafts=drafts)


def _not_plannable(phase: Phase, error: PipelineError) -> Held:
    return Held(phase=phase, refusal=GuardRefusal(reason="not_plannable", detail=str(error)))


def _after_waiting(
    context: BookContext, plan: Plan, phase: Phase, market: Market, missed: RawAmount, *, stock: Stock
) -> Market:
    """Widen the price bounds, and allow a phase in part, by what waiting has cost. Rounds: down."""
    cost_bps = missed * WHOLE_BPS // max(plan.notional_quote, 1)
    market = context.actions.widened(context.shard, context.policy, market, cost_bps)
    in_part = phase in context.actions.in_part and goes_in_part(context, plan, phase, missed, stock)
    return replace(market, in_part=True) if in_part else market


def _judge(
    context: BookContext, plan: Plan, phase: Phase, made: _Made, stock: Stock, *, foreseen: Foreseen | None
) -> Ready | Held:
    """Ask the guards about a phase that was made."""
    failure = failure_of(plan, phase)
    if failure is not None and _allows_in_vain(context, plan, phase, made.drafts):
        failed = f"{failure.step}: {step_outcome_text(failure.outcome)}"
        detail = f"{failed}, again: nobody is allowed anything for it so soon"
        return Held(phase=phase, refusal=GuardRefusal(reason="step_failed", detail=detail))
    question = _question(
        context,
        plan.notional_quote,
        stock,
        made.market,
        made.drafts,
        goal=made.goal,
        foreseen=foreseen,
    )
    gas = gas_to_wait_for(context, plan, phase)
    refusal = guard(replace(question, missed_quote=made.missed_quote, gas_foreseen=gas))
    if refusal is not None:
        return Held(phase=phase, refusal=refusal, missed_quote=made.missed_quote)
    return Ready(
        phase=phase,
        drafts=made.drafts,
        goal=made.goal,
        costs=_costs(question),
        why=made.why,
        missed_quote=made.missed_quote,
    )


def _with_behind(
    context: BookContext,
    plan: Plan,
    phase: Phase,
    drafts: tuple[Draft, ...],
    *,
    goal: Goal,
    market: Market,
    stock: Stock,
) -> tuple[Draft, ...]:
    """Let the phases that follow go out with a phase as far as they may, so that all may be mined in one block."""
    actions, made = context.actions, drafts
    while made:
        next_phase = _next_behind(context, plan, phase)
        if next_phase is None:
            break
        behind = actions.draft_behind(context.shard, context.policy, goal, market, stock, first=made)
        if not behind or (failure_of(plan, phase) and any(each.step == APPROVE for each in behind)):
            break
        made, phase = (*made, *behind), next_phase
    return made


def _next_behind(context: BookContext, plan: Plan, phase: Phase) -> Phase | None:
    """Find the phase that may go out with one: the plan's next, but not one that came to nothing twice for the same reason."""
    behind = context.actions.behind.get(phase)
    following = [each for each in plan.names[plan.names.index(phase) + 1 :] if each not in plan.given_up]
    if behind is None or behind != next(iter(following), None) or fails_alike(plan, behind):
        return None
    return behind


def _missed(context: BookContext, plan: Plan, phase: Phase, goal: Goal, stock: Stock) -> RawAmount:
    """Return the fees missed since the plan was first held back with its tokens outside the range."""
    if plan.idle_since is None or not moves_withdrawn_tokens(plan, phase, context.shard.tables):
        return RawAmount(0)
    return context.actions.missed_fees(context.shard, context.policy, goal, plan.idle_since, stock)


def _allows_in_vain(context: BookContext, plan: Plan, phase: Phase, drafts: tuple[Draft, ...]) -> bool:
    """Return whether an approval would be repeated too soon for a phase that has failed twice for the same reason.

    Each costs gas. After a while it is given all the same, or the plan could never go on.
    """
    since_s = context.block.timestamp_s - (plan.commanded_at_s or context.block.timestamp_s)
    gives = any(each.step == APPROVE for each in drafts)
    return gives and since_s < waits_to_allow_s(plan, phase, context.policy)


def _begin_again(context: BookContext, plan: Plan, stock: Stock, path: BookPath, market: Market) -> Prepared:
    """Reconsider a plan whose first phase failed on the present book, as if it were opened now."""
    policy = context.policy
    if not _is_wanted(context, stock, path):
        return Stopped(phase=plan.names[0], reason="inside_band")
    looked = look_ahead(context, stock)
    if isinstance(looked, GuardRefusal):
        return Held(phase=plan.names[0], refusal=looked)
    goal, seen = looked
    first = plan.names[0]
    drafts = context.actions.draft(context.shard, policy, goal, market, stock, phase=first)
    if not drafts or context.actions.phases_of(goal) != plan.phases:
        return Stopped(phase=first, reason="no_improvement", detail="another plan is wanted by now")
    question = _question(
        context, seen.moved_quote, stock, market, drafts, goal=goal, foreseen=seen, counted=True
    )
    gas = None if plan.foreseen is None else plan.foreseen.gas_at_limits
    missed = _missed(context, plan, first, goal, stock)
    question = replace(question, missed_quote=missed, gas_foreseen=gas)
    refusal = guard(question)
    if refusal is not None and refusal.reason == "no_improvement":
        return Stopped(phase=first, reason="no_improvement", detail=refusal.detail)
    if refusal is not None:
        return Held(phase=first, refusal=refusal)
    why = "" if goal == plan.goal else "the book has gone on since the plan was opened"
    return Ready(phase=first, drafts=drafts, goal=goal, costs=_costs(question), why=why)


def _is_wanted(context: BookContext, stock: Stock, path: BookPath) -> bool:
    """Return whether the purpose of a plan still holds."""
    policy = context.policy
    if context.kind == "hedge_to":
        return hedge_trigger(context.shard, policy, stock) is not None
    verdict = STRATEGIES[type(policy.strategy)](path, policy.strategy, context.block.timestamp_s)
    return not isinstance(verdict, Rest)


def _costs(question: Question) -> ForeseenCost:
    """Return the cost of an allowed phase: gas has a price, or the guards would have refused."""
    costs = costs_of(question)
    assert costs is not None
    return costs


def _question(
    context: BookContext,
    notional_quote: RawAmount,
    stock: Stock,
    market: Market,
    drafts: tuple[Draft, ...],
    *,
    goal: Goal,
    foreseen: Foreseen | None,
    counted: bool = False,
) -> Question:
    """Collect what the guards look at; a plan that is already counted does not count against itself."""
    effects = effects_of(context.shard.tables, context.policy.book)
    return Question(
        shard=context.shard,
        policy=context.policy,
        market=market,
        effects=replace(effects, actions=effects.actions[:-1]) if counted else effects,
        drafts=drafts,
        notional_quote=notional_quote,
        value_quote=stock.value_quote,
        prices=stock.prices,
        foreseen=foreseen,
        kind=context.kind,
        is_urgent=context.actions.is_urgent(goal),
    )
