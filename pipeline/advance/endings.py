"""Plans that end without a block, because what they rest on goes away."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from pipeline import keys
from pipeline.act.settle import stand, still_watched
from pipeline.advance.real_cost import with_cost
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanClosed
from pipeline.messages.effects import Plan
from pipeline.messages.events import AnyEvent, PolicyRemoved, PolicySet, Resumed
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import BookId


class Ending(msgspec.Struct, frozen=True):
    """Which plans end with an event, and why."""

    outcomes: Mapping[BookId, str] = {}
    """By book; `done` where all of the plan is mined."""
    forgets: bool = False
    """Nobody will tell any more what became of their transactions."""


def ending(shard: Shard, event: AnyEvent) -> Ending:
    """Find the plans that cannot go on after an event, before it is taken in."""
    match event:
        case Resumed(scope=keys.SHARD):
            books, why = _unfinished(shard), "the shard forgot what was mined"
        case PolicyRemoved(book=book):
            books, why = _unfinished(shard, book), "the book was removed"
        case PolicySet(policy=policy) if _leaves(shard, policy):
            books, why = _unfinished(shard, policy.book), "its policy went on without it"
        case _:
            return Ending()
    outcomes = {book: "done" if phase is None else f"left at {phase}: {why}" for book, phase in books.items()}
    return Ending(outcomes, forgets=not isinstance(event, PolicySet))


def _leaves(shard: Shard, policy: Policy) -> bool:
    """Ask whether a policy is not one under which the book's plan was opened."""
    before = shard.tables.find(keys.policy(policy.book), Policy)
    return before is not None and not policy.carries_plans_of(before)


def _unfinished(shard: Shard, book: BookId | None = None) -> dict[BookId, str | None]:
    """Tell of every plan that is not closed, by book, at which phase it is; None: all of it is mined."""
    plans = ((keys.plan.parse(key)[0], plan) for key, plan in shard.tables.group(keys.plan.family, Plan))
    standings = {
        name: stand(plan, shard.tables)
        for name, plan in plans
        if plan.closed is None and book in {None, name}
    }
    return {name: s.phase if s.kind != "finished" else None for name, s in standings.items()}


def end_plans(shard: Shard, ends: Ending, now: Provenance) -> Iterator[Output]:
    """Close plans: what they were for must be judged anew."""
    for book, outcome in ends.outcomes.items():
        plan = shard.tables.need(keys.plan(book), Plan)
        if ends.forgets:
            for step in plan.steps:
                shard.tables.put(keys.intent(step.intent), None)
            plan = replace(plan, steps=())
        allowances = still_watched(plan) if outcome == "done" else plan.allowances
        shard.tables.put(keys.plan(book), replace(plan, closed=outcome, allowances=allowances))
        if outcome != "done":
            stamp = now.stamp("plan", book, action="closed")
            closed = PlanClosed(**stamp, book=book, plan=plan.id, outcome=outcome)
            yield with_cost(shard, closed, None)
