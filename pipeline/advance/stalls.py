"""Handle a plan that cannot proceed: a guard refuses its phase, a transaction fails, or the signer does not answer."""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.guards import GuardRefusal
from pipeline.act.lifecycle import Move
from pipeline.act.settle import (
    Broken,
    Waiting,
    drop_from,
    is_final,
    moves_withdrawn_tokens,
    never_sent,
    note_failure,
    still_watched,
)
from pipeline.advance.book_context import BookContext, Moving
from pipeline.advance.busy_signer import record_busy_signer
from pipeline.advance.daily_counts import end_hedge_rest, rest_hedge
from pipeline.advance.market_refusals import forget_refusals, give_back_cooldown
from pipeline.book.sequencer import wait_began_s
from pipeline.decide.hedging import compensates_after_s
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanClosed, PlanStalled, StepRefused
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.goals import Phase
from pipeline.messages.outcomes import (
    AnyPlanOutcome,
    Done,
    NeverSent,
    SignerRefused,
    Stalled,
    step_outcome_text,
)
from pipeline.units import Seconds

_SAID_AGAIN = frozenset({"limits", "malformed", "paused"})
"""What a signer refuses for reasons of its own, whatever the block."""


def wait(context: BookContext, plan: Plan, standing: Waiting) -> Moving:
    """Report, once, that nobody answers; what is signed may still be mined, so nothing is given up."""
    waited_s = context.block.timestamp_s - (plan.commanded_at_s or context.block.timestamp_s)
    if plan.stalled_reason == "unanswered" or waited_s < context.policy.action.stall_after_s:
        return "wait"
    unanswered = GuardRefusal(reason="unanswered", detail=f"{standing.step}: not mined")
    yield _stalled(context, plan, standing.phase, unanswered)
    put(context, replace(plan, stalled_reason="unanswered"))
    return "wait"


def rest(context: BookContext, plan: Plan, phase: Phase, unknown: GuardRefusal) -> Iterator[Output]:
    """Report, once, that a plan waits because its book's inventory is not known for more than a block or two."""
    rested_s = context.block.timestamp_s - (plan.commanded_at_s or plan.made_at.timestamp_s)
    if plan.stalled_reason == unknown.reason or rested_s < context.policy.action.stall_after_s:
        return
    yield _stalled(context, plan, phase, unknown)
    put(context, replace(plan, stalled_reason=unknown.reason))


def mend(context: BookContext, plan: Plan, broken: Broken) -> Moving:
    """Handle a failed or refused transaction: end a plan that never began, else make the phase and all later ones again."""
    record_busy_signer(context, broken.outcome)
    if never_sent(plan, context.shard.tables):
        return (yield from _give_up_unsent(context, plan, broken))
    plan = _without_expired_wait(forget_broken(context, plan, broken), broken)
    detail = f"{broken.step}: {step_outcome_text(broken.outcome)}"
    failed = GuardRefusal(reason="step_failed", detail=detail)
    return (yield from stall(context, plan, broken.phase, failed))


def _without_expired_wait(plan: Plan, broken: Broken) -> Plan:
    """Begin a wait anew where the signer refused an intent as expired: at the blocks that led to it nothing could be signed any more.

    So it is after the node was away: the shard takes in blocks that the signer has long passed.
    """
    outcome = broken.outcome
    if isinstance(outcome, SignerRefused) and outcome.reason == "expired":
        return replace(plan, stalled_since_s=None)
    return plan


def forget_broken(context: BookContext, plan: Plan, broken: Broken) -> Plan:
    """Make a failed phase and all later ones due again, and count how often it failed for the same reason."""
    plan, forgotten = drop_from(plan, broken.phase, context.shard.tables, context.final_block)
    for digest in forgotten:
        context.shard.tables.put(keys.intent(digest), None)
    return note_failure(plan, broken.phase, broken.step, broken.outcome)


def _give_up_unsent(context: BookContext, plan: Plan, broken: Broken) -> Moving:
    """Close a plan of which nothing was signed: nothing has changed, so it counts for nothing.

    The cooldown is given back too, unless the signer would say the same again at the next block. Where the market
    was the signer's reason, the book waits as after any refusal by the market.
    """
    key = keys.effects(context.policy.book)
    effects = context.shard.tables.need(key, BookEffects)
    effects = replace(effects, actions=effects.actions[:-1])
    refusal = broken.outcome.reason if isinstance(broken.outcome, SignerRefused) else None
    if refusal not in _SAID_AGAIN:
        effects = replace(effects, last_proposed_at_s=plan.proposed_before_s)
    context.shard.tables.put(key, effects)
    if refusal is not None:
        give_back_cooldown(
            context.shard, context.policy, refusal, context.block.timestamp_s, plan.proposed_before_s
        )
    never = NeverSent(step=broken.step, outcome=broken.outcome)
    watched = plan.allowances if _began_elsewhere(context, plan) else still_watched(plan)
    return (yield from close(context, replace(plan, allowances=watched), never))


def _began_elsewhere(context: BookContext, plan: Plan) -> bool:
    """Return whether a reorg removed the block at which a plan was opened: the former plan's allowances may stand again, unwatched."""
    there = context.shard.tables.branch_hash(plan.made_at.number)
    return context.block.number < plan.made_at.number or there not in {None, plan.made_at.hash}


def stall(context: BookContext, plan: Plan, phase: Phase, refusal: GuardRefusal) -> Moving:
    """Report why the plan does not continue, once per reason; after the policy's time do what `on_stall` says.

    That an order waits for whoever carries it out is nothing to be said before that time.
    """
    now_s = context.block.timestamp_s
    known = plan.stalled_since_s is not None and plan.stalled_phase == phase
    since_s = plan.stalled_since_s if known and plan.stalled_since_s is not None else now_s
    quiet = refusal.reason == "order_requested" and now_s - since_s < context.policy.action.stall_after_s
    if plan.stalled_reason != refusal.reason and not quiet:
        if refusal.reason != "step_failed":
            yield refused(context, plan.id, phase, refusal)
        yield _stalled(context, plan, phase, refusal)
    said = None if quiet else refusal.reason
    plan = replace(plan, stalled_since_s=since_s, stalled_phase=phase, stalled_reason=said)
    if plan.idle_since is None and moves_withdrawn_tokens(plan, phase, context.shard.tables):
        plan = replace(plan, idle_since=context.actions.paid_so_far(context.shard, context.policy))
    if _is_compensated(context, plan, phase, now_s - since_s):
        moving = yield from close(context, plan, Stalled(phase=phase, reason=refusal.reason))
        end_hedge_rest(context)
        return moving
    action = context.policy.action
    if _held_s(context, plan, phase, since_s) < action.stall_after_s or action.on_stall == "wait":
        put(context, plan)
        return "hold"
    if action.on_stall == "mint_as_is" and phase in plan.doing("trades"):
        return give_up(context, plan, (phase,))
    return (yield from close(context, plan, Stalled(phase=phase, reason=refusal.reason)))


def _held_s(context: BookContext, plan: Plan, phase: Phase, since_s: Seconds) -> int:
    """Return for how many seconds a phase has been held back that could have gone out, by the time of blocks.

    While the sequencer is down, and within its grace period, nothing goes out but what is urgent and what takes permissions back: no other
    plan ends for that.
    """
    now_s = context.block.timestamp_s
    if phase in plan.doing("resets") or context.actions.is_urgent(plan.goal):
        return now_s - since_s
    return now_s - wait_began_s(context.shard.tables, context.policy, since_s, now_s)


def _is_compensated(context: BookContext, plan: Plan, phase: Phase, held_s: int) -> bool:
    """Return whether a hedge's trade was held back for so long that the leg before it must be taken back."""
    if context.kind != "hedge_to" or not context.policy.hedge:
        return False
    after_s = compensates_after_s(context.policy, plan.goal, phase)
    return after_s is not None and held_s >= after_s


def give_up(context: BookContext, plan: Plan, phases: tuple[Phase, ...]) -> Move:
    """Leave phases out, and let the plan go on without them."""
    given_up = tuple(each for each in plan.names if each in {*plan.given_up, *phases})
    put(context, without_running_clock(replace(plan, given_up=given_up)))
    return "give_up"


def finish(context: BookContext, plan: Plan) -> Moving:
    """Publish a plan's end, once per branch: a reorg may reopen the plan until all of it is final."""
    path = context.shard.tables.find(keys.path(context.policy.book), BookPath)
    if path is not None and path.finished_plan == plan.id:
        if not is_final(plan, context.shard.tables, context.final_block):
            return "wait"
        put(context, replace(plan, closed=Done(), allowances=still_watched(plan)))
        return "end"
    forget_refusals(context.shard, context.policy)
    stamp = context.now.stamp("plan", context.policy.book, action="done")
    yield PlanClosed(**stamp, book=context.policy.book, plan=plan.id, outcome=Done())
    return "wait"


def close(context: BookContext, plan: Plan, outcome: AnyPlanOutcome) -> Moving:
    """End a plan that is not done, and say how; a hedge is proposed again at its pace."""
    if context.kind != "rerange":
        rest_hedge(context, proposed=True)
    put(context, replace(plan, closed=outcome))
    stamp = context.now.stamp("plan", context.policy.book, action="closed")
    yield PlanClosed(**stamp, book=context.policy.book, plan=plan.id, outcome=outcome)
    return "end"


def _stalled(context: BookContext, plan: Plan, phase: Phase, refusal: GuardRefusal) -> PlanStalled:
    return PlanStalled(
        **context.now.stamp("stall", context.policy.book, action=f"{phase}/{refusal.reason}"),
        book=context.policy.book,
        plan=plan.id,
        phase=phase,
        reason=refusal.reason,
        detail=refusal.detail,
    )


def refused(context: BookContext, plan_id: str, phase: Phase, refusal: GuardRefusal) -> StepRefused:
    """Report that a guard refuses a phase."""
    stamp = context.now.stamp("stall", context.policy.book, action=f"{phase}/refused/{refusal.reason}")
    return StepRefused(
        **stamp,
        book=context.policy.book,
        plan=plan_id,
        phase=phase,
        reason=refusal.reason,
        detail=refusal.detail,
    )


def without_running_clock(plan: Plan) -> Plan:
    """Return the plan without a running clock."""
    return replace(plan, stalled_since_s=None, stalled_phase=None, stalled_reason=None)


def put(context: BookContext, plan: Plan) -> None:
    """Store a plan."""
    context.shard.tables.put(keys.plan(context.policy.book), plan)
