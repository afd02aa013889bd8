"""A phase that is due: judged again on the book as it is, made, held against the guards, and commanded."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.counted import count_again
from pipeline.advance.outlook import look_ahead
from pipeline.advance.stalls import put, unstalled
from pipeline.advance.turn import Turn
from pipeline.advance.weighing import mints_in_part
from pipeline.errors import PipelineError, SwapLimitedError
from pipeline.foresee import Foreseen
from pipeline.guard import TIP_WEI, Question, Refusal, costs_of, guard
from pipeline.inventory import WHOLE_BPS, Stock
from pipeline.market import Market, market_at_spot, read_market
from pipeline.messages.base import Output
from pipeline.messages.costs import ForeseenCost
from pipeline.messages.decisions import PlanRevised
from pipeline.messages.effects import PHASES, BookEffects, Goal, Intent, Phase, Plan, PlannedStep
from pipeline.messages.entries import BookPath
from pipeline.messages.transactions import SubmitTransaction
from pipeline.mint_behind import draft_mint_behind
from pipeline.missed import growth_now, missed_fees
from pipeline.plan import Draft, draft
from pipeline.reconsider import Course, reconsider_mint, reconsider_swap
from pipeline.settle import fails_alike, failure_of, lies_outside, predecessor
from pipeline.strategies import STRATEGIES, Act
from pipeline.units import Bps, RawAmount, Seconds, Wei
from pipeline.venues.uniswap_v3.pools import need_pool


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may go out, and the goal that it is made for."""

    phase: Phase
    drafts: tuple[Draft, ...]
    goal: Goal
    costs: ForeseenCost
    """Of the whole plan where it is about to begin, else of the phase."""
    why: str = ""
    """Why the plan does not go on as before; empty: it does."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may not, and why."""

    phase: Phase
    refusal: Refusal
    missed_quote: RawAmount = RawAmount(0)
    """What waiting has cost in fees, where its tokens lie outside."""


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that is better not carried on, and why: nothing of it has been moved."""

    phase: Phase
    why: str


Prepared = Ready | Held | Stopped


def prepare(
    turn: Turn, plan: Plan, due: Phase, stock: Stock, path: BookPath, *, foreseen: Foreseen | None = None
) -> Prepared | None:
    """Make the first phase, from the one that is due on, that has anything to do; None: there is nothing left.

    What moves or sizes anything is judged again on the book as it is. What is foreseen of the whole is given where the
    plan is to begin: then that judgement was made a moment ago.
    """
    goal, why, missed = plan.goal, "", RawAmount(0)
    for phase in PHASES[PHASES.index(due) :]:
        if phase in plan.given_up:
            continue
        try:
            market = (market_at_spot if phase == "reset" else read_market)(
                turn.shard, turn.policy, turn.block.timestamp_s, turn.base_fee_wei
            )
            missed = _missed(turn, plan, phase, goal, stock)
            market = _widened(turn, plan, market, missed)
            if phase == "mint" and mints_in_part(turn, plan, missed, stock):
                market = replace(market, mints_in_part=True)
            course = _course(turn, phase, goal, market, stock)
            if course.why:
                goal, why = course.goal, course.why
            drafts = draft(phase, turn.shard, turn.policy, goal, market) if course.swaps else ()
            drafts = (*drafts, *_behind(turn, plan, drafts, goal, market))
        except SwapLimitedError as error:
            limited = Refusal(reason="swap_limited", detail=str(error))
            earlier = guard(_question(turn, plan.notional_quote, stock, market, (), foreseen=foreseen))
            return Held(phase=phase, refusal=earlier or limited, missed_quote=missed)
        except PipelineError as error:
            return Held(phase=phase, refusal=Refusal(reason="not_plannable", detail=str(error)))
        if drafts and phase == "withdraw" and foreseen is None:
            return _begin_again(turn, plan, stock, path, market)
        if drafts and _allows_in_vain(turn, plan, phase, drafts):
            failure = failure_of(plan, phase)
            detail = f"{failure and failure.reason}, again: nobody is allowed anything for it so soon"
            return Held(phase=phase, refusal=Refusal(reason="step_failed", detail=detail))
        if drafts:
            question = _question(turn, plan.notional_quote, stock, market, drafts, foreseen=foreseen)
            question = replace(question, missed_quote=missed)
            refusal = guard(question)
            held = None if refusal is None else Held(phase=phase, refusal=refusal, missed_quote=missed)
            return held or Ready(phase=phase, drafts=drafts, goal=goal, costs=_costs(question), why=why)
    return None


def _behind(
    turn: Turn, plan: Plan, drafts: tuple[Draft, ...], goal: Goal, market: Market
) -> tuple[Draft, ...]:
    """Let the mint go out with the swap, so that both may be mined in one block, where nobody must be allowed anything for it.

    Not one that came to nothing twice for the same reason.
    """
    swap = next((each for each in drafts if each.step == "swap"), None)
    if swap is None or len(drafts) > 1 or fails_alike(plan, "mint"):
        return ()
    behind = draft_mint_behind(turn.shard, turn.policy, goal, market, swap)
    return behind if len(behind) == 1 else ()


def _missed(turn: Turn, plan: Plan, phase: Phase, goal: Goal, stock: Stock) -> RawAmount:
    """Tell what has been missed since the plan was first held back with its tokens outside."""
    if plan.idle_since is None or not lies_outside(plan, phase, turn.shard.tables):
        return RawAmount(0)
    return missed_fees(turn.shard, turn.policy, goal, plan.idle_since, stock)


def _widened(turn: Turn, plan: Plan, market: Market, missed: RawAmount) -> Market:
    """Let a swap or a mint be so much further from the reference as waiting has cost, but no further than spot may be.

    Units: bps of what the plan moves; a tick is a bps. Rounds: down.
    """
    fee_pips = need_pool(turn.shard, turn.policy.reference_pool).pool().fee_pips
    cost_bps = missed * WHOLE_BPS // max(plan.notional_quote, 1)
    most_bps = max(market.slippage_bps, min(turn.policy.limits.spot_ticks(fee_pips), WHOLE_BPS - 1))
    return replace(market, slippage_bps=Bps(min(market.slippage_bps + cost_bps, most_bps)))


def _allows_in_vain(turn: Turn, plan: Plan, phase: Phase, drafts: tuple[Draft, ...]) -> bool:
    """Ask whether an allowance would be given once more for what came to nothing twice for the same reason.

    Each costs gas. Once in the policy's time to wait it is given all the same, or the plan could never go on.
    """
    since_s = turn.block.timestamp_s - (plan.commanded_at_s or turn.block.timestamp_s)
    return (
        fails_alike(plan, phase)
        and any(each.step == "approve" for each in drafts)
        and since_s < turn.policy.action.stall_after_s
    )


def _course(turn: Turn, phase: Phase, goal: Goal, market: Market, stock: Stock) -> Course:
    if phase == "swap":
        return reconsider_swap(turn.shard, turn.policy, goal, market, stock)
    if phase == "mint":
        return reconsider_mint(turn.shard, turn.policy, goal, market, stock)
    return Course(goal=goal)


def _begin_again(turn: Turn, plan: Plan, stock: Stock, path: BookPath, market: Market) -> Prepared:
    """Withdraw only what would be withdrawn now: the first time nothing came of it, and the book has gone on."""
    policy = turn.policy
    verdict = STRATEGIES[type(policy.strategy)](path, policy.strategy, turn.block.timestamp_s)
    if not isinstance(verdict, Act):
        return Stopped(phase="withdraw", why=verdict.reason)
    looked = look_ahead(turn, stock)
    if isinstance(looked, Refusal):
        return Held(phase="withdraw", refusal=looked)
    goal, seen = looked
    drafts = draft("withdraw", turn.shard, policy, goal, market)
    question = _question(turn, seen.moved_quote, stock, market, drafts, foreseen=seen, counted=True)
    question = replace(question, missed_quote=_missed(turn, plan, "withdraw", goal, stock))
    refusal = guard(question)
    if refusal is not None and refusal.reason == "no_improvement":
        return Stopped(phase="withdraw", why=f"{refusal.reason}: {refusal.detail}")
    if refusal is not None:
        return Held(phase="withdraw", refusal=refusal)
    why = "" if goal == plan.goal else "the book has gone on since the plan was opened"
    return Ready(phase="withdraw", drafts=drafts, goal=goal, costs=_costs(question), why=why)


def _costs(question: Question) -> ForeseenCost:
    """Tell what was let pass costs: gas has a price, or the guards would have refused."""
    costs = costs_of(question)
    assert costs is not None
    return costs


def _question(
    turn: Turn,
    notional_quote: RawAmount,
    stock: Stock,
    market: Market,
    drafts: tuple[Draft, ...],
    *,
    foreseen: Foreseen | None,
    counted: bool = False,
) -> Question:
    """Put what the guards look at together; of a plan that is counted already, its own action is left out."""
    effects = turn.shard.tables.find(keys.effects(turn.policy.book), BookEffects) or BookEffects()
    return Question(
        shard=turn.shard,
        policy=turn.policy,
        market=market,
        effects=replace(effects, actions=effects.actions[:-1]) if counted else effects,
        drafts=drafts,
        notional_quote=notional_quote,
        value_quote=stock.value_quote,
        foreseen=foreseen,
    )


def command(turn: Turn, plan: Plan, ready: Ready) -> Iterator[Output]:
    """Say a phase's transactions, and remember each as an open intent."""
    if ready.why:
        yield _revised(turn, plan, ready)
    after = predecessor(plan, turn.shard.tables, turn.final_block)
    steps: list[PlannedStep] = []
    for place, each in enumerate(ready.drafts):
        action = f"{plan.id}/{ready.phase}/{place}/{plan.attempt}"
        said = _submit(turn, plan, action, each, after)
        steps.append(
            PlannedStep(phase=each.phase or ready.phase, step=each.step, intent=said.digest, after=after)
        )
        intent = Intent(book=turn.policy.book, plan=plan.id, step=each.step, made_at_block=turn.block.number)
        turn.shard.tables.put(keys.intent(said.digest), intent)
        after = said.digest
        yield said
    if plan.attempt > 1:
        count_again(turn, ready.costs)
    at_s = turn.block.timestamp_s
    plan = replace(plan, steps=(*plan.steps, *steps), commanded_at_s=at_s, goal=ready.goal)
    if lies_outside(plan, ready.phase, turn.shard.tables):
        plan = replace(plan, tried_since=growth_now(turn.shard, turn.policy))
    put(turn, plan if plan.stalled_phase == ready.phase else unstalled(plan))


def _revised(turn: Turn, plan: Plan, ready: Ready) -> PlanRevised:
    return PlanRevised(
        **turn.now.stamp("plan", turn.policy.book, action=f"{ready.phase}/revised"),
        book=turn.policy.book,
        plan=plan.id,
        phase=ready.phase,
        tick_lower=ready.goal.tick_lower,
        tick_upper=ready.goal.tick_upper,
        reason=ready.why,
    )


def _most_for_gas_wei(turn: Turn) -> Wei:
    """Offer what the policy allows, and what the guards have let pass above that: the signer has its own ceiling."""
    return max(turn.policy.limits.max_fee_per_gas_wei, Wei(2 * turn.base_fee_wei + TIP_WEI))


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
        position=keys.book(policy.book),
        after=after,
        made_at=turn.block,
        call=each.call,
        minimums=each.minimums,
        deadline_s=Seconds(turn.block.timestamp_s + policy.limits.deadline_s),
        max_age_blocks=policy.limits.max_age_blocks,
        max_fee_per_gas_wei=_most_for_gas_wei(turn),
        is_private=each.swap is not None and each.swap.pays_sandwich,
    )
