"""End plans without a block, because a policy, a position or the block they rest on is gone."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from pipeline import keys
from pipeline.act.settle import Finished, stand, still_watched
from pipeline.advance.real_cost import with_cost
from pipeline.messages.base import Output
from pipeline.messages.decisions import PlanClosed
from pipeline.messages.effects import Plan
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksReverted, PolicyRemoved, PolicySet, Resumed
from pipeline.messages.outcomes import Done, LeaveReason, Left
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import BookId


class Ending(msgspec.Struct, frozen=True):
    """The plans that end with an event, and why."""

    outcomes: Mapping[BookId, Done | Left] = {}
    """By book."""
    forgotten: tuple[BookId, ...] = ()
    """Of whose plans, ended ones too, nobody will tell any more what became of their transactions."""


NO_ENDING: Final = Ending()


def ending(shard: Shard, event: AnyEvent) -> Ending:
    """Find the plans that cannot continue after an event, before it is applied."""
    match event:
        case BlockSeen():
            return NO_ENDING
        case Resumed(scope=keys.SHARD):
            return _all_forgotten(shard)
        case BlocksReverted(to=to) if shard.tables.begins_above(to.number):
            return _all_forgotten(shard)
        case PolicyRemoved(book=book):
            return Ending(_outcomes(shard, "book_removed", book), (book,))
        case PolicySet(policy=policy) if _leaves(shard, policy):
            return Ending(_outcomes(shard, "policy_replaced", policy.book))
        case _:
            return NO_ENDING


def _all_forgotten(shard: Shard) -> Ending:
    """End every plan: the shard starts over, and no earlier block will show what became of their transactions."""
    return Ending(_outcomes(shard, "shard_forgot"), tuple(name for name, _ in _plans(shard)))


def _leaves(shard: Shard, policy: Policy) -> bool:
    """Return whether a policy differs from the one under which the book's plan was opened."""
    before = shard.tables.find(keys.policy(policy.book), Policy)
    return before is not None and not policy.carries_plans_of(before)


def _outcomes(shard: Shard, why: LeaveReason, book: BookId | None = None) -> dict[BookId, Done | Left]:
    """Return how every open plan ends, by book: abandoned where it stands, or done."""
    standings = {
        name: stand(plan, shard.tables)
        for name, plan in _plans(shard)
        if plan.closed is None and book in {None, name}
    }
    return {
        name: Done() if isinstance(standing, Finished) else Left(phase=standing.phase, reason=why)
        for name, standing in standings.items()
    }


def _plans(shard: Shard) -> Iterator[tuple[BookId, Plan]]:
    for key, plan in shard.tables.group(keys.plan.family, Plan):
        yield keys.plan.parse(key)[0], plan


def end_plans(shard: Shard, ends: Ending, now: Provenance) -> Iterator[Output]:
    """Close plans, so that their books are judged again."""
    for book in ends.forgotten:
        _forget_steps(shard, book)
    for book, outcome in ends.outcomes.items():
        plan = shard.tables.need(keys.plan(book), Plan)
        allowances = still_watched(plan) if isinstance(outcome, Done) else plan.allowances
        shard.tables.put(keys.plan(book), replace(plan, closed=outcome, allowances=allowances))
        if not isinstance(outcome, Done):
            stamp = now.stamp("plan", book, action="closed")
            closed = PlanClosed(**stamp, book=book, plan=plan.id, outcome=outcome)
            yield with_cost(shard, closed, None)


def _forget_steps(shard: Shard, book: BookId) -> None:
    """Drop a plan's transactions: without their receipts they would count as in flight for ever."""
    plan = shard.tables.find(keys.plan(book), Plan)
    for step in plan.steps if plan is not None else ():
        shard.tables.put(keys.intent(step.intent), None)
    if plan is not None and plan.steps:
        shard.tables.put(keys.plan(book), replace(plan, steps=()))
