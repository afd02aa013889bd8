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
    """A plan that began, and what it counts for within a day. Amounts are raw quote."""

    at_s: Seconds
    notional: RawAmount
    """What it was to move."""
    cost: RawAmount = RawAmount(0)
    """What it was foreseen to cost, and what was made of it again since."""
    gas: RawAmount = RawAmount(0)
    """Of that, gas."""


class BookEffects(Entry, frozen=True, kw_only=True):
    """`effects/book`: what has left the house, however the chain turns."""

    last_proposed_at_s: Seconds | None = None
    proposals: int = 0
    actions: tuple[Action, ...] = ()
    """Plans that began within the last day."""
    refused_at_s: Seconds | None = None
    """When the market last refused a proposal, which therefore does not count as the last one."""
    refusals_in_a_row: int = 0
    """How often it has done so since a plan was done: the wait doubles with each."""
    hedge_rests_until_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """Before that no step of the hedge is proposed, but where its health is low."""
    hedge_secured_at_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """When a step for low health was last proposed."""
    signer_busy_at_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """When its signer refused to act for it because something else that it signed for the book was in no block yet; until one of its transactions is mined."""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction of a plan, and how it ended if nothing came of it."""

    phase: Phase
    step: Step
    intent: str
    """Digest."""
    after: str | None = None
    """Digest of the intent that it had to follow."""
    outcome: AnyStepOutcome | None = None
    """What the signer said of it where it never came into a block."""
    dropped: bool = False
    """Its phase, or one before it, is made again; what was signed for it may still come into a block."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that came to nothing, and how often it did for the same reason."""

    phase: Phase
    step: Step
    outcome: AnyStepOutcome
    times: int


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """How much a spender may go on being allowed to take when no plan needs it."""

    allowance: str
    """The key of its entry."""
    most: RawAmount


class Plan(Entry, frozen=True, kw_only=True, tag_field="version", tag="3"):
    """`plan/book`: the book's last plan. The chain part says which of its steps are mined."""

    id: str
    made_at: BlockRef
    goal: Goal
    phases: tuple[PlanPhase, ...]
    """In the order in which they go out; the last takes permissions back."""
    notional_quote: RawAmount
    """What goes into the range, at spot: the costs of acting are measured against it."""
    steps: tuple[PlannedStep, ...] = ()
    given_up: tuple[Phase, ...] = ()
    """Phases that are not to be made any more."""
    allowances: tuple[str, ...] = ()
    """Keys of what spenders may take of the owner's tokens: the plan ends when all of them are within their bounds."""
    standing: tuple[Bound, ...] = ()
    """Of these, what may stay allowed, as the policy has it now; of others nothing."""
    attempt: int = 1
    commanded_at_s: Seconds | None = None
    stalled_since_s: Seconds | None = None
    stalled_phase: Phase | None = None
    """Its clock runs on over every new attempt at the same phase."""
    stalled_reason: StallReason | None = None
    idle_since: Terms | None = None
    """The fees that the venue had ever paid when a phase whose tokens lie outside was first held back: what is missed counts from there."""
    tried_since: Terms | None = None
    """The same of when such a phase was last commanded: what is missed from there on decides when it is tried again."""
    failures: tuple[Failure, ...] = ()
    """Of each phase that came to nothing, the last."""
    closed: AnyPlanOutcome | None = None
    """How it ended."""
    proposed_before_s: Seconds | None = None
    """When the proposal before was made: the cooldown goes back to it if nothing was ever sent."""
    found_stranded: bool | msgspec.UnsetType = msgspec.UNSET
    """A re-range before it had ended in the middle: where this plan moves none of that, the book is as the former left it."""
    foreseen: ForeseenCost | None = None
    deviation_before_bps: Bps | None = None
    """When it was opened: share minus target."""

    @property
    def names(self) -> tuple[Phase, ...]:
        """List the names of its phases."""
        return tuple(each.name for each in self.phases)

    def doing(self, *works: PhaseWork) -> tuple[Phase, ...]:
        """List the phases that do any of these with the tokens."""
        return tuple(each.name for each in self.phases if each.does in works)


@upgrades("Plan", 1)
def _plan_2(fields: Fields) -> Fields:
    """Turn the sentences of outcomes into data, and name the kind of goal and its phases: there was one."""
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
    """Return what each phase does: the names were the same for all venues."""
    return {**fields, "phases": [{"name": name, "does": FORMER_PHASES[name]} for name in fields["phases"]]}


def _step_outcome(said: str | None) -> Fields | None:
    return None if said is None else step_outcome(said)


class Intent(Entry, frozen=True, kw_only=True):
    """`intent/digest`: a transaction that was wanted and has not ended. Ends with a terminal report only."""

    book: BookId
    plan: str
    step: Step
    made_at_block: BlockNumber
    nonce: int | None = None
    hashes: tuple[Hash, ...] = ()
    """Of the signed bytes, bumps too: any of them may be mined."""
    cancellations: tuple[Hash, ...] = ()
    """Of transactions that use the same nonce up for nothing: once one is mined, the intent has ended on that branch."""
    unfollowable: bool = False
    """The signer refused to let another intent follow it."""


class Untried(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal of a dry-run book, and what its dry-run needs of the time before it."""

    proposal: str
    """Digest."""
    at: BlockRef
    policy_version: str
    proposed_before_s: Seconds | None


class DryRuns(Entry, frozen=True, kw_only=True):
    """`dry-run/book`: proposals whose dry-run has not been told, the oldest first."""

    untried: tuple[Untried, ...] = ()
