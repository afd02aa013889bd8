"""The decisions of a shard: proposals, refusals and alerts. Append-only, on `decisions.v1`."""

from typing import Literal

import msgspec

from pipeline.messages.account_alerts import AnyAccountAlert
from pipeline.messages.base import BlockRef, Output, Price, TokenAmount
from pipeline.messages.costs import ForeseenCost, RealCost
from pipeline.messages.dry_run import DryRun, upgrade_runs
from pipeline.messages.former_goals import with_goal
from pipeline.messages.former_outcomes import plan_outcome, stall_reason
from pipeline.messages.former_prices import with_price
from pipeline.messages.goals import Goal, Phase
from pipeline.messages.order_alerts import AnyOrderWord
from pipeline.messages.outcomes import AnyPlanOutcome, StallReason
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import Address, BookId, Bps, Hash, RawAmount, Seconds

Trigger = Literal[
    "share_outside_band", "out_of_range", "net_outside_band", "unwind", "leg_failed", "health_low"
]
"""The last three are a hedge's."""

Gate = Literal[
    "observed", "quarantine", "pause", "plan", "sequencer", "mode", "value", "band", "lever", "cooldown"
]
"""Where a book was refused, in the order in which the gates are asked."""


class Decision(Output, frozen=True, kw_only=True):
    """One book at one block. Amounts are raw; shares are of the book's value in its quote."""

    book: BookId
    policy_version: str


class RebalanceProposed(Decision, frozen=True, kw_only=True, tag="RebalanceProposed.3"):
    """The deviation calls for an action. What it may cost is judged later."""

    trigger: Trigger
    base_amount: RawAmount
    quote_amount: RawAmount
    value_quote: RawAmount
    price: Price
    """Of the pair: of its token0, the lower address of base and quote, in its token1."""
    base_share_bps: Bps
    target_share_bps: Bps
    deviation_bps: Bps
    """Share minus target."""
    base_to_buy: RawAmount
    """What its plan trades in all, at spot, without impact, towards zero; negative: to sell."""
    base_to_borrow: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """How much more base comes to be owed where a re-range takes a step of the hedge with it; negative: to repay. Else left out."""
    out_of_range_s: int
    """How long all liquidity has been out of range; 0 if it is not."""


upgrades("RebalanceProposed", 1)(with_price)
# which were of both is not told there, and `base_to_buy` of those is the re-range's alone
upgrades("RebalanceProposed", 2)(dict)


class Declined(Decision, frozen=True, kw_only=True, tag=True):
    """Nothing is proposed, and why. Published when gate or reason changes, and every `report_every_blocks`."""

    gate: Gate
    reason: str
    item: str | None = None
    """What it hangs on, where it is one thing: the first that is unread, quarantined or paused, or whose price is not known."""
    until_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """From when on it may be otherwise, where that is known; else left out."""
    value_quote: RawAmount | None = None
    base_share_bps: Bps | None = None
    deviation_bps: Bps | None = None


class ProposalTried(Decision, frozen=True, kw_only=True, tag="ProposalTried.4"):
    """What would have come of a dry-run book's proposal, told once. The book is as it was."""

    proposal: str
    """Digest."""
    at: BlockRef
    """The proposal's block; it may be on no branch any more."""
    run: DryRun
    simulated: bool = True


upgrade_runs("ProposalTried")


# ------------------------------------------------------------------ plans
class PlanMessage(Output, frozen=True, kw_only=True):
    """What becomes of a proposal that is carried out."""

    book: BookId
    plan: str


class PlanOpened(PlanMessage, frozen=True, kw_only=True, tag="PlanOpened.2"):
    """A plan begins. In records of before the goal does not tell what is withdrawn."""

    goal: Goal
    notional_quote: RawAmount
    cut_short: str = ""
    """Why it goes only a step towards the target; empty: all the way."""
    proposal: str = ""
    """Id of the proposal that it carries out. Records of before have none of what follows."""
    trigger: str = ""
    """Why now, as in the proposal."""
    foreseen: ForeseenCost | None = None
    share_before_bps: Bps | None = None
    share_after_bps: Bps | None = None
    """As foreseen, at the price that the swap leaves."""
    deviation_bps: Bps | None = None
    """Share minus target, before."""


upgrades("PlanOpened", 1)(with_goal)


class PlanRevised(PlanMessage, frozen=True, kw_only=True, tag="PlanRevised.2"):
    """The plan goes on for another goal than before, or without a swap: the book has changed since. Of old records the goal tells the range only."""

    phase: Phase
    """The one that is made for it first."""
    goal: Goal
    reason: str


upgrades("PlanRevised", 1)(with_goal)


class StepRefused(PlanMessage, frozen=True, kw_only=True, tag="StepRefused.2"):
    """A guard does not let a phase go out. Nothing was commanded."""

    phase: Phase
    reason: StallReason
    detail: str


@upgrades("StepRefused", 1)
def _step_refused_2(fields: Fields) -> Fields:
    """Any phase and reason became those that there are."""
    return fields


class PlanStalled(PlanMessage, frozen=True, kw_only=True, tag="PlanStalled.2"):
    """The middle of a plan cannot go on: a step was refused, failed or came to nothing."""

    phase: Phase
    reason: StallReason
    detail: str


@upgrades("PlanStalled", 1)
def _plan_stalled_2(fields: Fields) -> Fields:
    reason, detail = stall_reason(fields["reason"])
    return {**fields, "reason": reason, "detail": detail}


class PlanClosed(PlanMessage, frozen=True, kw_only=True, tag="PlanClosed.2"):
    """The plan has ended, and how. Where it ended in the middle, tokens lie in the wallet."""

    outcome: AnyPlanOutcome
    cost: RealCost | None = None
    """What it cost up to here, on this branch; None in records of before, and where its receipts are forgotten."""
    foreseen: ForeseenCost | None = None
    """As told when it was opened."""
    over_foreseen: RawAmount | None = None
    """Gas and swap loss less what was expected of them; negative: it was cheaper."""
    deviation_before_bps: Bps | None = None
    """When it was opened: share minus target."""
    deviation_after_bps: Bps | None = None
    """Now; None where its book is not known."""


@upgrades("PlanClosed", 1)
def _plan_closed_2(fields: Fields) -> Fields:
    return {**fields, "outcome": plan_outcome(fields["outcome"])}


# ------------------------------------------------------------------ alerts
class Quarantined(Output, frozen=True, kw_only=True, tag=True):
    """An item went back to its value before the record and is not carried on."""

    item: str
    """`pool/P`, `position/M/id`, `balance/account/token` or `book/ID`."""
    reason: str


class Released(Output, frozen=True, kw_only=True, tag=True):
    """An operator's word and a read have ended a quarantine."""

    item: str


class PoolDrifted(Output, frozen=True, kw_only=True, tag=True):
    """State and chain differ at the same block. Nothing was repaired."""

    pool: Address
    differences: tuple[str, ...]
    """`field: ours, the chain's`, the first few."""


class ChecksSkipped(Output, frozen=True, kw_only=True, tag=True):
    """Several checks in a row stood at another block than the head: the pool goes unchecked."""

    pool: Address
    count: int


class PositionSetApart(Output, frozen=True, kw_only=True, tag=True):
    """An item came to a book's owner in somebody else's transaction: the book does without it until it is adopted."""

    book: BookId
    item: str


class PositionLeft(Output, frozen=True, kw_only=True, tag=True):
    """An item has left a live book, transferred or burned, no matter by whom. Amounts are those before the block."""

    book: BookId
    item: str
    to: Address | None
    """Its owner now; None: it was burned, or nobody of the shard's knows it any more."""
    transaction_hash: Hash | None = None
    """The transaction that moved it; None in records of before."""
    amounts: tuple[TokenAmount, ...]
    """What the book had in it, of each token: principal and fees."""
    value_quote: RawAmount | None
    """At the reference pool's spot before the block, rounded down; None where the book's inventory was not known."""


class ReadFailed(Output, frozen=True, kw_only=True, tag=True):
    """A read that a book needs could not be had; it declines until one comes."""

    item: str
    reason: str


class BlockSetAside(Output, frozen=True, kw_only=True, tag=True):
    """A record does not attach to the head; nothing is decided until one does."""

    block: BlockRef
    head: BlockRef | None


class ChainStalled(Output, frozen=True, kw_only=True, tag=True):
    """The shard's head has stood still for too long, or is one of a chain whose newest block is too old by the clock."""

    age_s: int
    cause: str


class ShardHalted(Output, frozen=True, kw_only=True, tag=True):
    """Nothing is applied or decided until an operator resumes the shard."""

    reason: str


class RecordPassedOver(Output, frozen=True, kw_only=True, tag=True):
    """The record that this follows from could not be read, and an operator wanted it passed over; its bytes are a dead letter."""

    record_type: str
    digest: str
    reason: str
    by: str


AnyDecision = (
    RebalanceProposed
    | Declined
    | ProposalTried
    | PlanOpened
    | PlanRevised
    | StepRefused
    | PlanStalled
    | PlanClosed
    | Quarantined
    | Released
    | PoolDrifted
    | ChecksSkipped
    | PositionLeft
    | PositionSetApart
    | AnyOrderWord
    | AnyAccountAlert
    | ReadFailed
    | BlockSetAside
    | ChainStalled
    | ShardHalted
    | RecordPassedOver
)
