"""Find which feed that values an asset of a book has no recent answer, and what of a plan waits for it."""

from pipeline.advance.book_context import BookContext
from pipeline.book.feeds import undated_feed
from pipeline.decide.gates import Unknown
from pipeline.messages.decisions import Gate
from pipeline.messages.effects import Plan
from pipeline.messages.goals import Phase, kind_of
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard


def why_undated(shard: Shard, policy: Policy) -> Unknown | None:
    """Return which feed that values an asset has no recent answer: time alone makes an answer too old."""
    found = undated_feed(shard.tables, policy)
    if found is None:
        return None
    gate: Gate = "observed" if found.fault == "not_observed" else "value"
    return Unknown(gate=gate, reason=found.fault, item=found.item)


def waits_for_value(context: BookContext, plan: Plan, due: Phase) -> bool:
    """Return whether a value feed has no recent answer, and a phase of a plan, from the due one on, does more than take risk away."""
    if undated_feed(context.shard.tables, context.policy) is None:
        return False
    securing = context.acting_for(kind_of(plan.goal)).actions.guards.securing
    left = plan.names[plan.names.index(due) :]
    return any(each not in securing for each in left if each not in plan.given_up)
