"""Entries about what cannot be undone: plans, intents and cooldowns. A reorg never rewinds them."""

import msgspec

from pipeline.messages.base import BlockRef, Entry
from pipeline.messages.costs import ForeseenCost
from pipeline.messages.former_goals import FORMER_PHASES, rerange_goal
from pipeline.messages.former_outcomes import of_step, plan_outcome, step_outcome
from pipeline.messages.goals import Goal, Phase, PhaseWork, PlanPhase, Step, Terms
from pipeline.messages.outcomes import AnyPlanOutcome, AnyStepOutcome, StallReason
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import (
    BlockNumber,
    BookId,
    Bps,
    Hash,
    RawAmount,
    Seconds,
)


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was opened, and what it counts towards the limits of a day. Amounts are raw quote."""

    at_s: Seconds
    notional: RawAmount
    """The notional that it was to move."""
    cost: RawAmount = RawAmount(0)
    """Its foreseen cost, and that of the phases made again since."""
    gas: RawAmount = RawAmount(0)
    """The gas in that cost."""


class BookEffects(Entry, frozen=True, kw_only=True):
    """`effects/book`: what a book has proposed and begun, and cannot take back when blocks go away. Effects part."""

    last_proposed_at_s: Seconds | None = None
    proposals: int = 0
    actions: tuple[Action, ...] = ()
    """The plans opened within the last day."""
    refused_at_s: Seconds | None = None
    """When a proposal was last refused because of the market; such a proposal starts no cooldown."""
    refusals_in_a_row: int = 0
    """How many such refusals there have been since a plan was done; the wait doubles with each."""
    hedge_rests_until_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """No step of the hedge is proposed before this time, except for low health."""
    hedge_secured_at_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """When a step for low health was last proposed."""
    signer_busy_at_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """When the signer refused an intent because another transaction of the book was not mined yet; cleared once a transaction of the signer is mined."""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction of a plan, with its outcome if it failed."""

    phase: Phase
    step: Step
    intent: str
    """Its digest."""
    after: str | None = None
    """The digest of the intent that it had to follow."""
    outcome: AnyStepOutcome | None = None
    """The signer's report, where it was never mined."""
    dropped: bool = False
    """Its phase, or one before it, is made again; a transaction signed for it may still be mined."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A failed phase, and how often it has failed for the same reason."""

    phase: Phase
    step: Step
    outcome: AnyStepOutcome
    times: int


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The allowance that a spender may keep while no plan needs it."""

    allowance: str
    """The key of the allowance's entry."""
    most: RawAmount


class Plan(Entry, frozen=True, kw_only=True, tag_field="version", tag="3"):
    """`plan/book`: the book's last plan. The receipts in the chain part show which of its steps are mined. Effects part."""

    id: str
    made_at: BlockRef
    goal: Goal
    phases: tuple[PlanPhase, ...]
    """In the order in which they are submitted; the last revokes allowances."""
    notional_quote: RawAmount
    """The value that goes into the range, at spot; costs are compared with it."""
    steps: tuple[PlannedStep, ...] = ()
    given_up: tuple[Phase, ...] = ()
    """Phases that are not made any more."""
    allowances: tuple[str, ...] = ()
    """The keys of the allowances that the plan gives: the plan ends when all of them are within their bounds."""
    standing: tuple[Bound, ...] = ()
    """The allowances among these that may remain, by the present policy; all others must be revoked."""
    attempt: int = 1
    commanded_at_s: Seconds | None = None
    stalled_since_s: Seconds | None = None
    stalled_phase: Phase | None = None
    """`stalled_since_s` does not restart with a new attempt at this phase."""
    stalled_reason: StallReason | None = None
    idle_since: Terms | None = None
    """The venue's total fees when a phase was first held back while its tokens were withdrawn: missed fees count from there."""
    tried_since: Terms | None = None
    """The venue's total fees when such a phase was last submitted: the fees missed since decide when it is tried again."""
    failures: tuple[Failure, ...] = ()
    """The last failure of each phase that has failed."""
    closed: AnyPlanOutcome | None = None
    """Its outcome; None while it is open."""
    proposed_before_s: Seconds | None = None
    """The time of the previous proposal, from which the cooldown counts again if nothing was ever sent."""
    found_stranded: bool | msgspec.UnsetType = msgspec.UNSET
    """The previous re-range ended in the middle; if this plan moves none of those tokens, they remain where it left them."""
    foreseen: ForeseenCost | None = None
    deviation_before_bps: Bps | None = None
    """Share minus target when it was opened."""

    @property
    def names(self) -> tuple[Phase, ...]:
        """The names of the plan's phases, in order."""
        return tuple(each.name for each in self.phases)

    def doing(self, *works: PhaseWork) -> tuple[Phase, ...]:
        """List the names of the phases that do any of these kinds of work."""
        return tuple(each.name for each in self.phases if each.does in works)


@upgrades("Plan", 1)
def _plan_2(fields: Fields) -> Fields:
    """Parse the outcomes' sentences into data, and add the kind of goal and the phases, of which version 1 had one kind each."""
    steps = [{**each, "outcome": _step_outcome(each.get("outcome"))} for each in fields.get("steps", ())]
    failures = [
        {"phase": each["phase"], **of_step(each["reason"]), "times": each["times"]}
        for each in fields.get("failures", ())
    ]
    closed = fields.get("closed")
    ended = None if closed is None else plan_outcome(closed)
    as_data = {"steps": steps, "failures": failures, "closed": ended}
    return {**fields, **as_data, "goal": rerange_goal(fields["goal"]), "phases": list(FORMER_PHASES)}


@upgrades("Plan", 2)
def _plan_3(fields: Fields) -> Fields:
    """Add to each phase the work that it does, which in version 2 follows from its name."""
    return {**fields, "phases": [{"name": name, "does": FORMER_PHASES[name]} for name in fields["phases"]]}


def _step_outcome(said: str | None) -> Fields | None:
    return None if said is None else step_outcome(said)


class Intent(Entry, frozen=True, kw_only=True):
    """`intent/digest`: an intent that has not ended; only a terminal report ends it. Effects part."""

    book: BookId
    plan: str
    step: Step
    made_at_block: BlockNumber
    nonce: int | None = None
    hashes: tuple[Hash, ...] = ()
    """The hashes of its signed transactions, bumps included: any of them may be mined."""
    cancellations: tuple[Hash, ...] = ()
    """The hashes of cancellations under the same nonce: once one is mined, the intent has ended on that branch."""
    unfollowable: bool = False
    """The signer refused to let another intent follow it."""


class Untried(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal of a dry-run book that was not tried yet, with the state from before it that the dry-run needs."""

    proposal: str
    """The proposal's digest."""
    at: BlockRef
    policy_version: str
    proposed_before_s: Seconds | None


class DryRuns(Entry, frozen=True, kw_only=True):
    """`dry-run/book`: the book's proposals without an outcome of their dry-run yet, the oldest first. Effects part."""

    untried: tuple[Untried, ...] = ()
