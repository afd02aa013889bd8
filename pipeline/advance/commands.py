"""Command a phase that every guard allows: publish its transactions and remember each as an open intent."""

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.drafts import Draft
from pipeline.act.settle import moves_withdrawn_tokens, predecessor
from pipeline.advance.book_context import BookContext, Moving
from pipeline.advance.daily_counts import count_again
from pipeline.advance.phases import Ready
from pipeline.advance.stalls import put, without_running_clock
from pipeline.advance.wait_or_continue import most_for_gas_wei
from pipeline.messages.decisions import PlanRevised
from pipeline.messages.effects import Intent, Plan, PlannedStep
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Seconds, Wei


def command(context: BookContext, plan: Plan, ready: Ready) -> Moving:
    """Publish a phase's transactions, and remember each as an open intent."""
    if ready.why:
        yield _revised(context, plan, ready)
    after = predecessor(plan, context.shard.tables, context.final_block)
    gas_limit = sum(each.call.gas_limit for each in ready.drafts)
    most_wei = most_for_gas_wei(context, plan, ready.phase, gas_limit, ready.missed_quote)
    steps: list[PlannedStep] = []
    for place, each in enumerate(ready.drafts):
        action = f"{plan.id}/{ready.phase}/{place}/{plan.attempt}"
        said = _submit(context, plan, action, each, after, max_fee_per_gas_wei=most_wei)
        steps.append(
            PlannedStep(phase=each.phase or ready.phase, step=each.step, intent=said.digest, after=after)
        )
        intent = Intent(
            book=context.policy.book, plan=plan.id, step=each.step, made_at_block=context.block.number
        )
        context.shard.tables.put(keys.intent(said.digest), intent)
        after = said.digest
        yield said
    if plan.attempt > 1:
        count_again(context, ready.costs)
    at_s = context.block.timestamp_s
    plan = replace(plan, steps=(*plan.steps, *steps), commanded_at_s=at_s, goal=ready.goal)
    if moves_withdrawn_tokens(plan, ready.phase, context.shard.tables):
        plan = replace(plan, tried_since=context.actions.paid_so_far(context.shard, context.policy))
    put(context, plan if plan.stalled_phase == ready.phase else without_running_clock(plan))
    return "command"


def _revised(context: BookContext, plan: Plan, ready: Ready) -> PlanRevised:
    return PlanRevised(
        **context.now.stamp("plan", context.policy.book, action=f"{ready.phase}/revised"),
        book=context.policy.book,
        plan=plan.id,
        phase=ready.phase,
        goal=ready.goal,
        reason=ready.why,
    )


def _submit(
    context: BookContext, plan: Plan, action: str, each: Draft, after: str | None, *, max_fee_per_gas_wei: Wei
) -> SubmitTransaction:
    policy = context.policy
    return SubmitTransaction(
        **context.now.stamp("int", policy.book, action=action, policy_version=policy.policy_version),
        book=policy.book,
        policy_version=policy.policy_version,
        owner=policy.owner,
        signer=policy.signer or policy.owner,
        plan=plan.id,
        step=each.step,
        attempt=plan.attempt,
        position=keys.book(policy.book),
        after=after,
        made_at=context.block,
        call=each.call,
        minimums=each.minimums,
        deadline_s=Seconds(context.block.timestamp_s + policy.limits.deadline_s),
        max_age_blocks=policy.limits.max_age_blocks,
        max_fee_per_gas_wei=max_fee_per_gas_wei,
        is_private=each.is_private,
    )
