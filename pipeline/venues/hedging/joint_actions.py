"""Carry out a re-range and a hedge step in one plan: borrow before the range is left, repay from what it frees.

The range's own trade is the only one. Its phases are those of the range's venue; the hedge's are asked of the hedge's venue.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from pipeline.act.allowances import Grant, take_back
from pipeline.act.drafts import Course, Draft
from pipeline.act.foresight import Foreseen, Market, TradeCost
from pipeline.act.question import Guard, Question, VenueGuards
from pipeline.book.inventory import Stock
from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeChange, HedgeDraft, HedgeVenue
from pipeline.messages.base import Price
from pipeline.messages.facts import Fact
from pipeline.messages.goals import (
    RESET,
    Goal,
    HedgeGoal,
    JointGoal,
    Phase,
    PlanPhase,
    RerangeGoal,
    Step,
    Terms,
)
from pipeline.messages.outcomes import GuardReason
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount, Seconds, Wei
from pipeline.venues.acting import VenueActions, VenueFreeing, VenueTrades
from pipeline.venues.hedging.actions import HedgeActions
from pipeline.venues.hedging.foresight import ForeseenJoint, gas_of
from pipeline.venues.hedging.guards import HedgeGuards
from pipeline.venues.hedging.joint import (
    amount_behind,
    amount_of,
    as_if_done,
    change_of,
    find_joint,
    joint_goal,
    joint_terms,
)
from pipeline.venues.hedging.sizes import HedgePlaces, Sized

_UP: tuple[Phase, ...] = ("supply", "borrow")
_DOWN: tuple[Phase, ...] = ("repay",)
_OF_HEDGE = frozenset((*_UP, *_DOWN))
_UP_BEHIND: dict[Phase, Phase] = {"supply": "borrow"}


class JointActions:
    """A book's range and its hedge together."""

    trades: VenueTrades | None = None
    freeing: VenueFreeing | None = None

    def __init__(self, venue: HedgeVenue, ranges: VenueActions, hedging: HedgeActions) -> None:
        """Bring both together."""
        self._venue, self._ranges, self._hedging = venue, ranges, hedging
        self.phases: tuple[PlanPhase, ...] = ranges.phases
        self.in_part: frozenset[Phase] = ranges.in_part
        self._behind = _UP_BEHIND | {each.name: "repay" for each in ranges.phases if each.does == "frees"}
        self.behind: Mapping[Phase, Phase] = {**ranges.behind, **self._behind}
        self.guards: VenueGuards = _guards(venue, ranges)
        self.usual_gas: Mapping[Step, int] = {**hedging.usual_gas, **ranges.usual_gas}
        self.usual_plan_gas: int = ranges.usual_plan_gas
        self.least_gas_limit: int = ranges.least_gas_limit

    def spenders(self, policy: Policy) -> tuple[Address, ...]:
        """List those of both."""
        return self._hedging.spenders(policy)

    def grants(self, shard: Shard, policy: Policy) -> tuple[Grant, ...]:
        """List those of both."""
        return self._hedging.grants(shard, policy)

    # -------------------------------------------------------------- the whole plan
    def is_urgent(self, goal: Goal) -> bool:
        """Report that none is."""
        del goal
        return False

    def phases_of(self, goal: Goal) -> tuple[PlanPhase, ...]:
        """Put what is borrowed before the range's phases, and what is repaid behind those that free."""
        if joint_terms(_hedge(goal)).grows:
            return (*_secures(_UP), *self._ranges.phases)
        frees = [each for each in self._ranges.phases if each.does == "frees"]
        rest = [each for each in self._ranges.phases if each.does != "frees"]
        return (*frees, *_secures(_DOWN), *rest)

    def choose_goal(self, shard: Shard, policy: Policy, stock: Stock) -> Goal:
        """Choose the range for what the wallet will have, and what is to be owed."""
        terms = find_joint(self._places(), shard, policy, stock)
        if terms is None:
            raise HedgeError("what is owed is near enough to what is to be owed")
        change = change_of(self._venue, shard, policy, terms)
        with as_if_done(shard, policy, stock, change) as then:
            rerange = _range(self._ranges.choose_goal(shard, policy, then))
        return JointGoal(rerange=rerange, hedge=joint_goal(policy, terms))

    def foresee(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock
    ) -> tuple[Goal, Foreseen]:
        """Run the range's part in thought as if the hedge's were done."""
        change = change_of(self._venue, shard, policy, joint_terms(_hedge(goal)))
        with as_if_done(shard, policy, stock, change) as then:
            taken, seen = self._ranges.foresee(shard, policy, _range(goal), market, then)
        return JointGoal(rerange=_range(taken), hedge=_hedge(goal)), self._with(seen, change, policy)

    def _with(self, seen: Foreseen, change: HedgeChange, policy: Policy) -> Foreseen:
        """Add the hedge's transactions to what is foreseen of the range's."""
        supplied = {"supply": Sized(amount=RawAmount(change.collateral))} if change.collateral else {}
        size = {"borrow" if change.size > 0 else "repay": Sized(amount=RawAmount(abs(change.size)))}
        gas_limit, gas_expected, transactions = gas_of(self._places(), {**supplied, **size})
        data = transactions * policy.chain.data_gas
        fields = {name: getattr(seen, name) for name in Foreseen.__struct_fields__} | {
            "gas_limit": seen.gas_limit + gas_limit + data,
            "gas_expected": seen.gas_expected + gas_expected + data,
            "transactions": seen.transactions + transactions,
        }
        return ForeseenJoint(ranges=seen, change=change, **fields)

    def _places(self) -> HedgePlaces:
        """Find where the position and the trades are. Raises: HedgeError where nothing is traded at the ranges' venue."""
        if self._ranges.trades is None:
            raise HedgeError("nothing is traded where the book's ranges are")
        return HedgePlaces(self._venue, self._ranges.trades)

    def find_gone(self, shard: Shard, policy: Policy, goal: Goal) -> str | None:
        """Name what of the range is not there."""
        return self._ranges.find_gone(shard, policy, _range(goal))

    # -------------------------------------------------------------- one phase
    def read_market(
        self, shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei, *, phase: Phase
    ) -> Market:
        """Describe the market of the range."""
        return self._ranges.read_market(shard, policy, now_s, base_fee_wei, phase=phase)

    def widened(self, shard: Shard, policy: Policy, market: Market, cost_bps: int) -> Market:
        """Widen what the range's trade allows."""
        return self._ranges.widened(shard, policy, market, cost_bps)

    def reconsider(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> Course:
        """Judge the range's phases again; the hedge's are sized on the book as it is."""
        if phase in _OF_HEDGE:
            return Course(goal=goal)
        course = self._ranges.reconsider(shard, policy, _range(goal), market, stock, phase=phase)
        return replace(course, goal=JointGoal(rerange=_range(course.goal), hedge=_hedge(goal)))

    def draft(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> tuple[Draft, ...]:
        """Make a phase of whichever it is, or take permissions of both back."""
        if phase == RESET:
            return take_back(shard, policy, self.grants(shard, policy))
        if phase not in _OF_HEDGE:
            return self._ranges.draft(shard, policy, _range(goal), market, stock, phase=phase)
        amount = amount_of(self._venue, shard, policy, joint_terms(_hedge(goal)), phase)
        return self._venue.draft(shard, policy, phase, amount, everything=False)

    def draft_behind(
        self,
        shard: Shard,
        policy: Policy,
        goal: Goal,
        market: Market,
        stock: Stock,
        *,
        first: tuple[Draft, ...],
    ) -> tuple[Draft, ...]:
        """Make a borrowing with its supply, a repayment with what the range frees, with the approvals that it needs; or the range's."""
        phase = self._behind.get(first[-1].step)
        if phase is None:
            return self._ranges.draft_behind(shard, policy, _range(goal), market, stock, first=first)
        terms = joint_terms(_hedge(goal))
        amount = amount_behind(self._venue, shard, policy, terms, phase, first=first)
        made = self._venue.draft(shard, policy, phase, amount, everything=False)
        return tuple(replace(each, phase=phase) for each in made)

    def trade_cost(self, question: Question) -> TradeCost:
        """Return what the range's trade costs."""
        return self._ranges.trade_cost(_of_ranges(question))

    # -------------------------------------------------------------- what waiting misses, what a plan has cost
    def paid_so_far(self, shard: Shard, policy: Policy) -> Terms:
        """Return the range's."""
        return self._ranges.paid_so_far(shard, policy)

    def missed_fees(self, shard: Shard, policy: Policy, goal: Goal, since: Terms, stock: Stock) -> RawAmount:
        """Return the range's."""
        return self._ranges.missed_fees(shard, policy, _range(goal), since, stock)

    def outside(self, shard: Shard, policy: Policy, goal: Goal) -> Terms:
        """Return the range's."""
        return self._ranges.outside(shard, policy, _range(goal))

    def fees_earned(
        self, shard: Shard, policy: Policy, outside: Terms
    ) -> tuple[tuple[Address, RawAmount], ...]:
        """Return the range's."""
        return self._ranges.fees_earned(shard, policy, outside)

    def mean_price(self, shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
        """Return the range's reference price."""
        return self._ranges.mean_price(shard, policy, now_s)

    def paid_and_got(self, shard: Shard, swap: Fact) -> tuple[tuple[Address, int], ...]:
        """Return what the trade took and gave."""
        return self._ranges.paid_and_got(shard, swap)


def _secures(names: tuple[Phase, ...]) -> tuple[PlanPhase, ...]:
    return tuple(PlanPhase(name=name, does="secures") for name in names)


def _range(goal: Goal) -> RerangeGoal:
    if isinstance(goal, JointGoal):
        return goal.rerange
    assert isinstance(goal, RerangeGoal)
    return goal


def _hedge(goal: Goal) -> HedgeGoal:
    assert isinstance(goal, JointGoal)
    return goal.hedge


# ------------------------------------------------------------------ guards
def _guards(venue: HedgeVenue, ranges: VenueActions) -> VenueGuards:
    """List the range's guards, asked of its own part, and the hedge's."""
    theirs, own = ranges.guards, HedgeGuards(venue, ranges)

    def of_ranges(found: Mapping[GuardReason, Guard]) -> dict[GuardReason, Guard]:
        return {reason: _about_ranges(ask) for reason, ask in found.items()}

    return msgspec.structs.replace(
        theirs,
        prices={**of_ranges(theirs.prices), **own.own_prices()},
        sizes={**of_ranges(theirs.sizes), **own.own_sizes()},
        calls={**of_ranges(theirs.calls), "not_allowed": _allowed(theirs.calls.get("not_allowed"), own)},
        passing=theirs.passing | {"oracle"},
    )


def _about_ranges(ask: Guard) -> Guard:
    def guard(question: Question) -> str | None:
        return ask(_of_ranges(question))

    return guard


def _allowed(theirs: Guard | None, own: HedgeGuards) -> Guard:
    """Read the calls of the hedge's phases, and what takes permissions back, as the hedge does, all others as the range does."""

    def guard(question: Question) -> str | None:
        of_hedge = _of_hedge(question.drafts)
        found = own.not_allowed(replace(question, drafts=of_hedge)) if of_hedge else None
        if found is not None or theirs is None or len(of_hedge) == len(question.drafts) > 0:
            return found
        return theirs(_of_ranges(question))

    return guard


def _of_ranges(question: Question) -> Question:
    """Leave of a question what the range's venue knows."""
    seen = question.foreseen.ranges if isinstance(question.foreseen, ForeseenJoint) else question.foreseen
    of_hedge = _of_hedge(question.drafts)
    return replace(
        question, foreseen=seen, drafts=tuple(each for each in question.drafts if each not in of_hedge)
    )


def _of_hedge(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """List the transactions of the hedge's phases, approvals among them, and what takes permissions of either back.

    Those of the phase that goes first name none.
    """
    leads = any(isinstance(each, HedgeDraft) and each.phase is None for each in drafts)

    def is_of_hedge(each: Draft) -> bool:
        return each.step == RESET or (leads if each.phase is None else each.phase in _OF_HEDGE)

    return tuple(each for each in drafts if is_of_hedge(each))
