"""Compare waiting with continuing: the fees missed while tokens lie outside the range, against the cost of another attempt."""

from pipeline.act.guards import TIP_WEI, GuardRefusal
from pipeline.act.settle import ALIKE, fails_alike, failure_of, has_withdrawn_tokens, moves_withdrawn_tokens
from pipeline.advance.book_context import BookContext
from pipeline.book.inventory import Stock
from pipeline.book.prices import base_spot
from pipeline.book.pricing import gas_in_quote
from pipeline.decide.gates import FIRST_WAIT_S
from pipeline.messages.effects import Plan
from pipeline.messages.goals import Phase
from pipeline.messages.outcomes import (
    AnyStepOutcome,
    CancellationMined,
    Reverted,
    SignerDropped,
    SignerRefused,
)
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount, Seconds, Wei

_PASSING_REFUSALS = frozenset({"market", "expired", "orphaned", "predecessor"})
"""What a signer refuses for reasons that the next block may not give."""
_MOST_DOUBLED = 30
"""Many years: no further."""


def tries_again_later(context: BookContext, plan: Plan, phase: Phase, stock: Stock) -> bool:
    """Return whether a step that failed for longer than the policy's time was tried within that time: once is enough.

    But for one whose tokens lie outside, once the fees missed since it was tried are what trying costs.
    """
    now_s, patience_s = context.block.timestamp_s, context.policy.action.stall_after_s
    if plan.stalled_reason != "step_failed" or plan.stalled_since_s is None or plan.commanded_at_s is None:
        return False
    if not now_s - plan.stalled_since_s >= patience_s > now_s - plan.commanded_at_s:
        return False
    if plan.tried_since is None or not moves_withdrawn_tokens(plan, phase, context.shard.tables):
        return True
    missed = context.actions.missed_fees(context.shard, context.policy, plan.goal, plan.tried_since, stock)
    return not is_worth(context, missed, context.actions.usual_gas[phase], stock)


def waits_to_allow_s(plan: Plan, phase: Phase, policy: Policy) -> Seconds:
    """Return how long no approval is repeated for a phase that has failed again for the same reason.

    What a signer refuses by its own limits, or a simulation shows to fail, comes to nothing again: the policy's time to wait. Where a
    price, a late block or a reorg was the reason, the next try may succeed: a minute, and twice as long each time, at most that.
    """
    failure, patience_s = failure_of(plan, phase), policy.action.stall_after_s
    if failure is None or not fails_alike(plan, phase):
        return Seconds(0)
    if not _may_pass(failure.outcome):
        return patience_s
    return Seconds(min(FIRST_WAIT_S << min(failure.times - ALIKE, _MOST_DOUBLED), patience_s))


def _may_pass(outcome: AnyStepOutcome) -> bool:
    """Return whether the reason may not hold at the next block. Reverts were simulated before."""
    match outcome:
        case Reverted() | CancellationMined() | SignerDropped(cause="cancelled"):
            return True
        case SignerRefused(reason=reason):
            return reason in _PASSING_REFUSALS
    return False


def gas_to_wait_for(context: BookContext, plan: Plan, phase: Phase) -> RawAmount | None:
    """Return the gas cost below which a phase with tokens outside its range does not wait: the whole plan's expected one.

    A phase takes a third of a plan's gas, so it waits where gas is some three times as dear. None once three quarters of
    the policy's time have passed since the plan was opened: one that is left in the middle costs more than gas.
    """
    if plan.foreseen is None or not moves_withdrawn_tokens(plan, phase, context.shard.tables):
        return None
    waited_s = context.block.timestamp_s - plan.made_at.timestamp_s
    is_over = 4 * waited_s >= 3 * context.policy.action.stall_after_s
    return None if is_over else plan.foreseen.gas_at_limits


def most_for_gas_wei(
    context: BookContext, plan: Plan, phase: Phase, gas_limit: int, missed: RawAmount
) -> Wei:
    """Return the most that a phase may offer per unit of gas: a replacement must not pay more than the phase would be sent at.

    Its gas at its limit costs no more than the whole plan's was foreseen to, and what waiting has cost; the policy's ceiling
    where it goes out at any price below that. No less than the next block may ask. Rounds: down.
    """
    tables, now_wei = context.shard.tables, context.base_fee_wei + TIP_WEI
    least_wei = 2 * context.base_fee_wei + TIP_WEI
    most_wei = max(context.policy.limits.max_fee_per_gas_wei, least_wei)
    begins = phase == plan.names[0] and not has_withdrawn_tokens(plan, tables)
    foreseen = None if plan.foreseen is None else plan.foreseen.gas_at_limits
    most = foreseen if begins else gas_to_wait_for(context, plan, phase)
    if most is None:
        return Wei(most_wei)
    spot = base_spot(context.shard, context.policy)
    costs_now = gas_in_quote(context.policy, gas_limit * now_wei, spot)
    if not costs_now:
        return Wei(most_wei)
    return Wei(min(max(now_wei * (most + missed) // costs_now, least_wei), most_wei))


def gives_trades_up(
    context: BookContext, plan: Plan, refusal: GuardRefusal, missed: RawAmount, stock: Stock
) -> bool:
    """Return whether waiting for a price has cost as much as another plan would: then the wallet's tokens are placed as they are.

    Nothing is sold then, so the share stays as it is, the tokens earn again, and the next proposal goes on from there.
    """
    return (
        not set(plan.doing("trades")) <= set(plan.given_up)
        and refusal.reason in context.actions.guards.of_trades
        and is_worth(context, missed, context.actions.usual_plan_gas, stock)
    )


def is_worth(context: BookContext, missed: RawAmount, gas: int, stock: Stock) -> bool:
    """Return whether missed fees reach the present cost of gas; none missed never do."""
    cost = gas_in_quote(
        context.policy, gas * (context.base_fee_wei + TIP_WEI), stock.prices[context.policy.base]
    )
    return cost is not None and missed > cost


def goes_in_part(context: BookContext, plan: Plan, phase: Phase, missed: RawAmount, stock: Stock) -> bool:
    """Return whether waiting for room at the venue has cost as much as making the phase twice, or the policy's time is over."""
    since_s = plan.stalled_since_s if plan.stalled_phase == phase else None
    waited_s = 0 if since_s is None else context.block.timestamp_s - since_s
    is_over = since_s is not None and waited_s >= context.policy.action.stall_after_s
    return is_over or is_worth(context, missed, context.actions.usual_gas[phase], stock)
