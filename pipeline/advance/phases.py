"""A phase that is due: made from the state as it is, asked for by the guards, and commanded."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from pipeline.advance.stalls import put, unstalled
from pipeline.advance.turn import Turn
from pipeline.errors import PipelineError, SwapLimitedError
from pipeline.foresee import Foreseen
from pipeline.guard import Question, Refusal, guard
from pipeline.messages.effects import PHASES, BookEffects, Intent, Phase, Plan, PlannedStep
from pipeline.messages.transactions import SubmitTransaction
from pipeline.plan import Draft, Market, draft, read_market
from pipeline.settle import predecessor
from pipeline.units import Seconds


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may go out."""

    phase: Phase
    drafts: tuple[Draft, ...]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that may not, and why."""

    phase: Phase
    refusal: Refusal


def prepare(turn: Turn, plan: Plan, due: Phase, foreseen: Foreseen | None) -> Ready | Held | None:
    """Draft the first phase, from the one that is due on, that has anything to do; None: there is nothing left.

    What is foreseen of the whole is given where the plan is to begin: then the whole of it is judged.
    """
    for phase in PHASES[PHASES.index(due) :]:
        if phase in plan.given_up:
            continue
        try:
            market = read_market(turn.shard, turn.policy, turn.block.timestamp_s, turn.base_fee_wei)
            drafts = draft(phase, turn.shard, turn.policy, plan.goal, market)
        except SwapLimitedError as error:
            return Held(phase=phase, refusal=Refusal(reason="swap_limited", detail=str(error)))
        except PipelineError as error:
            return Held(phase=phase, refusal=Refusal(reason="not_plannable", detail=str(error)))
        if drafts:
            refusal = guard(_question(turn, plan, market, drafts, foreseen))
            held = None if refusal is None else Held(phase=phase, refusal=refusal)
            return held or Ready(phase=phase, drafts=drafts)
    return None


def _question(
    turn: Turn, plan: Plan, market: Market, drafts: tuple[Draft, ...], foreseen: Foreseen | None
) -> Question:
    return Question(
        shard=turn.shard,
        policy=turn.policy,
        market=market,
        effects=turn.shard.tables.find(f"effects/{turn.policy.book}", BookEffects) or BookEffects(),
        drafts=drafts,
        notional_quote=plan.notional_quote,
        foreseen=foreseen,
    )


def command(turn: Turn, plan: Plan, ready: Ready) -> Iterator[SubmitTransaction]:
    """Say a phase's transactions, and remember each as an open intent."""
    after = predecessor(plan, turn.shard.tables, turn.final_block)
    steps: list[PlannedStep] = []
    for place, each in enumerate(ready.drafts):
        action = f"{plan.id}/{ready.phase}/{place}/{plan.attempt}"
        said = _submit(turn, plan, action, each, after)
        steps.append(PlannedStep(phase=ready.phase, step=each.step, intent=said.digest, after=after))
        intent = Intent(book=turn.policy.book, plan=plan.id, step=each.step, made_at_block=turn.block.number)
        turn.shard.tables.put(f"intent/{said.digest}", intent)
        after = said.digest
        yield said
    plan = replace(plan, steps=(*plan.steps, *steps), commanded_at_s=turn.block.timestamp_s)
    put(turn, plan if plan.stalled_phase == ready.phase else unstalled(plan))


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
