"""Compensate a step whose trade failed: repay what it borrowed, or supply again what it withdrew."""

from pipeline import keys
from pipeline.hedge.port import HedgeMove
from pipeline.messages.effects import Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.goals import Goal, Phase, kind_of
from pipeline.messages.outcomes import Stalled
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Seconds
from pipeline.venues.hedging.goal import need_hedge, terms_of

_OPEN_AT: frozenset[tuple[HedgeMove, Phase]] = frozenset(
    {("up", "sell"), ("deleverage_free", "buy"), ("deleverage", "buy")}
)
"""Where a step has moved something for a trade that is still to come. What was bought and not repaid is none: the exposure is where it is to be."""


def compensates_after_s(policy: Policy, goal: Goal, phase: Phase) -> Seconds | None:
    """Compute after how long a phase that does not come about ends its plan, for the leg before it to be taken back; None: never."""
    after_s = need_hedge(policy).compensate_after_s
    return after_s if after_s and (terms_of(goal).move, phase) in _OPEN_AT else None


def is_left_open(shard: Shard, policy: Policy) -> bool:
    """Return whether a book's last plan ended at such a phase, or takes one back and has not come to its end."""
    plan = _last_step(shard, policy)
    if not need_hedge(policy).compensate_after_s or plan is None:
        return False
    if _takes_back(plan):
        path = shard.tables.find(keys.path(policy.book), BookPath)
        return path is None or path.finished_plan != plan.id
    ended = plan.closed
    return isinstance(ended, Stalled) and (terms_of(plan.goal).move, ended.phase) in _OPEN_AT


def took_back(shard: Shard, policy: Policy) -> bool:
    """Return whether a book's last plan took a leg back: until the hedge has rested nothing is borrowed again."""
    plan = _last_step(shard, policy)
    return plan is not None and _takes_back(plan)


def _last_step(shard: Shard, policy: Policy) -> Plan | None:
    """Find a book's last plan, where that is a step of its hedge alone."""
    plan = shard.tables.find(keys.plan(policy.book), Plan)
    return plan if plan is not None and kind_of(plan.goal) == "hedge_to" else None


def _takes_back(plan: Plan) -> bool:
    return terms_of(plan.goal).move == "take_back"
