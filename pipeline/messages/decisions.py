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
"""Why a proposal is made. The last three concern a hedge alone."""

Gate = Literal[
    "observed", "quarantine", "pause", "plan", "sequencer", "mode", "value", "band", "lever", "cooldown"
]
"""The gates that can decline a book, in the order in which they are evaluated."""


class Decision(Output, frozen=True, kw_only=True):
    """A decision about one book at one block. Amounts are raw; shares are of the book's value in its quote."""

    book: BookId
    policy_version: str


class RebalanceProposed(Decision, frozen=True, kw_only=True, tag="RebalanceProposed.3"):
    """A proposal to act, because of its trigger. The guards check the costs later, when a plan is made of it."""

    trigger: Trigger
    base_amount: RawAmount
    quote_amount: RawAmount
    value_quote: RawAmount
    price: Price
    """The pair's price, of its token0 in its token1; token0 is the lower address of base and quote."""
    base_share_bps: Bps
    target_share_bps: Bps
    deviation_bps: Bps
    """Share minus target."""
    base_to_buy: RawAmount
    """The base that the plan buys in all, at spot and without impact; negative: to sell. Rounds: towards zero."""
    base_to_borrow: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """By how much the debt in base grows, where a re-range includes a step of the hedge; negative: it is repaid. Else left out."""
    out_of_range_s: int
    """How long all liquidity has been out of range; 0 if it is not."""


upgrades("RebalanceProposed", 1)(with_price)
# version 2 does not say which plans also moved the hedge; in theirs `base_to_buy` is the re-range's trade alone
upgrades("RebalanceProposed", 2)(dict)


class Declined(Decision, frozen=True, kw_only=True, tag=True):
    """A refusal: nothing is proposed, with the reason. Published when gate or reason changes, and every `report_every_blocks`."""

    gate: Gate
    reason: str
    item: str | None = None
    """The item that the refusal depends on, where there is one: the first that is unread, quarantined or paused, or has no known price."""
    until_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """The earliest time at which the decision may differ, where it is known; else left out."""
    value_quote: RawAmount | None = None
    base_share_bps: Bps | None = None
    deviation_bps: Bps | None = None


class ProposalTried(Decision, frozen=True, kw_only=True, tag="ProposalTried.4"):
    """The outcome of a proposal of a dry-run book, tried on a fork. Published once; the book is unchanged."""

    proposal: str
    """The proposal's digest."""
    at: BlockRef
    """The proposal's block; a reorg may have removed it since."""
    run: DryRun
    simulated: bool = True


upgrade_runs("ProposalTried")


# ------------------------------------------------------------------ plans
class PlanMessage(Output, frozen=True, kw_only=True):
    """The base of messages about a plan, which carries out a proposal."""

    book: BookId
    plan: str


class PlanOpened(PlanMessage, frozen=True, kw_only=True, tag="PlanOpened.2"):
    """A plan was opened. In records of version 1 the goal does not say what is withdrawn."""

    goal: Goal
    notional_quote: RawAmount
    cut_short: str = ""
    """Why it goes only a part of the way to the target; empty: it goes all the way."""
    proposal: str = ""
    """The id of the proposal that it carries out. Older records lack this field and those below."""
    trigger: str = ""
    """The proposal's trigger."""
    foreseen: ForeseenCost | None = None
    share_before_bps: Bps | None = None
    share_after_bps: Bps | None = None
    """The foreseen share, at the price after the swap."""
    deviation_bps: Bps | None = None
    """Share minus target, before the plan."""


upgrades("PlanOpened", 1)(with_goal)


class PlanRevised(PlanMessage, frozen=True, kw_only=True, tag="PlanRevised.2"):
    """A plan goes on with another goal, or without a swap, because the book has changed. In records of version 1 the goal has the range only."""

    phase: Phase
    """The first phase that is made for the new goal."""
    goal: Goal
    reason: str


upgrades("PlanRevised", 1)(with_goal)


class StepRefused(PlanMessage, frozen=True, kw_only=True, tag="StepRefused.2"):
    """A guard refused a phase; no intent was emitted for it."""

    phase: Phase
    reason: StallReason
    detail: str


@upgrades("StepRefused", 1)
def _step_refused_2(fields: Fields) -> Fields:
    """Keep all fields: version 2 only allows fewer values of `phase` and `reason`."""
    return fields


class PlanStalled(PlanMessage, frozen=True, kw_only=True, tag="PlanStalled.2"):
    """A plan cannot go on in the middle: a step was refused, failed or never mined."""

    phase: Phase
    reason: StallReason
    detail: str


@upgrades("PlanStalled", 1)
def _plan_stalled_2(fields: Fields) -> Fields:
    reason, detail = stall_reason(fields["reason"])
    return {**fields, "reason": reason, "detail": detail}


class PlanClosed(PlanMessage, frozen=True, kw_only=True, tag="PlanClosed.2"):
    """A plan has ended, with its outcome. Where it ended in the middle, tokens remain in the wallet."""

    outcome: AnyPlanOutcome
    cost: RealCost | None = None
    """Its cost on this branch; None in older records, and where the shard no longer has its receipts."""
    foreseen: ForeseenCost | None = None
    """The cost foreseen when it was opened."""
    over_foreseen: RawAmount | None = None
    """Paid gas and swap loss less the expected; negative: it was cheaper than expected."""
    deviation_before_bps: Bps | None = None
    """Share minus target when it was opened."""
    deviation_after_bps: Bps | None = None
    """Share minus target now; None where the book's inventory is not known."""


@upgrades("PlanClosed", 1)
def _plan_closed_2(fields: Fields) -> Fields:
    return {**fields, "outcome": plan_outcome(fields["outcome"])}


# ------------------------------------------------------------------ alerts
class Quarantined(Output, frozen=True, kw_only=True, tag=True):
    """An item was put into quarantine: it keeps its value from before the record and is not updated."""

    item: str
    """`pool/P`, `position/M/id`, `balance/account/token` or `book/ID`."""
    reason: str


class Released(Output, frozen=True, kw_only=True, tag=True):
    """An item left quarantine, after an operator's command and a new read."""

    item: str


class PoolDrifted(Output, frozen=True, kw_only=True, tag=True):
    """A check found that a pool's state differs from the chain's at the same block. Nothing was repaired."""

    pool: Address
    differences: tuple[str, ...]
    """The first few differences, each as `field: shard's value, chain's value`."""


class ChecksSkipped(Output, frozen=True, kw_only=True, tag=True):
    """Several checks of a pool in a row were made at another block than the shard's head, so none of them counted."""

    pool: Address
    count: int


class PositionSetApart(Output, frozen=True, kw_only=True, tag=True):
    """Somebody else's transaction brought an item to a book's owner; the book does not count it until it is adopted."""

    book: BookId
    item: str


class PositionLeft(Output, frozen=True, kw_only=True, tag=True):
    """An item of a live book was transferred or burned, by whomever. Amounts are those before the block."""

    book: BookId
    item: str
    to: Address | None
    """The item's new owner; None: it was burned, or its owner is unknown to the shard."""
    transaction_hash: Hash | None = None
    """The transaction that moved it; None in older records."""
    amounts: tuple[TokenAmount, ...]
    """The book's amount of each token in it, principal and fees together."""
    value_quote: RawAmount | None
    """Its value at the reference pool's spot before the block, rounded down; None where the book's inventory was not known."""


class ReadFailed(Output, frozen=True, kw_only=True, tag=True):
    """A read that a book needs has failed; the book declines until a read succeeds."""

    item: str
    reason: str


class BlockSetAside(Output, frozen=True, kw_only=True, tag=True):
    """A block does not attach to the shard's head and was not applied; nothing is decided until one attaches."""

    block: BlockRef
    head: BlockRef | None


class ChainStalled(Output, frozen=True, kw_only=True, tag=True):
    """The shard's head has not moved for too long, or the chain's newest block is too old by the watcher's clock."""

    age_s: int
    cause: str


class ShardHalted(Output, frozen=True, kw_only=True, tag=True):
    """A shard was halted: it applies and decides nothing until an operator resumes it."""

    reason: str


class RecordPassedOver(Output, frozen=True, kw_only=True, tag=True):
    """An operator had the shard pass over an unreadable record of its log; its bytes are in `dead-letters.v1`."""

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
