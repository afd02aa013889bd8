"""Wait for a book's signer while a transaction that it signed for the book is in no block yet.

A reorg can bring that about: what a plan before had mined waits again, and nothing of it is remembered. Each transaction of the signer that is
mined may have been the last that it waited for.
"""

from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import replace

from pipeline import keys
from pipeline.act.settle import failure_of
from pipeline.advance.book_context import BookContext
from pipeline.decide.gates import FIRST_WAIT_S, Judgement, Refused, signer_busy_until_s
from pipeline.decide.hedging import URGENT
from pipeline.decide.levers import Option
from pipeline.messages.base import Receipt
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.goals import Phase
from pipeline.messages.outcomes import AnyStepOutcome, SignerRefused
from pipeline.messages.policy import Policy
from pipeline.state.book_effects import effects_of
from pipeline.state.shard import Shard

BUSY = SignerRefused(reason="already_open")


def record_busy_signer(context: BookContext, outcome: AnyStepOutcome) -> None:
    """Record that a signer refused because something else of the book is pending; any other outcome changes nothing."""
    key = keys.effects(context.policy.book)
    if outcome == BUSY:
        effects = effects_of(context.shard.tables, context.policy.book)
        context.shard.tables.put(key, replace(effects, signer_busy_at_s=context.block.timestamp_s))


def end_signer_waits(shard: Shard, books: Iterable[Policy], receipts: Iterable[Receipt]) -> None:
    """Let the books of each signer with a newly mined transaction ask it again."""
    senders = {each.sender for each in receipts}
    for policy in books if senders else ():
        key = keys.effects(policy.book)
        effects = shard.tables.find(key, BookEffects)
        if effects is None or effects.signer_busy_at_s is UNSET:
            continue
        if (policy.signer or policy.owner) in senders:
            shard.tables.put(key, replace(effects, signer_busy_at_s=UNSET))


def refused_for_busy_signer(context: BookContext, judged: Judgement) -> Judgement:
    """Refuse a proposal while the signer waits for something else of the book; a proposal for low health is made all the same."""
    if not isinstance(judged, Option) or judged.target.trigger == URGENT:
        return judged
    effects = effects_of(context.shard.tables, context.policy.book)
    if context.block.timestamp_s >= signer_busy_until_s(effects, context.policy):
        return judged
    return Refused(gate="cooldown", reason="signer_busy")


def waits_for_signer(context: BookContext, plan: Plan, phase: Phase) -> bool:
    """Return whether a phase refused for that reason must wait: no transaction of the signer was mined since, and no minute has passed."""
    failure = failure_of(plan, phase)
    if failure is None or failure.outcome != BUSY:
        return False
    effects = effects_of(context.shard.tables, context.policy.book)
    busy_at_s = effects.signer_busy_at_s
    return busy_at_s is not UNSET and context.block.timestamp_s < busy_at_s + FIRST_WAIT_S
