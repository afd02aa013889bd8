"""The outcomes of transactions and plans: tagged data, with codes for programs and details for people."""

from typing import Literal

import msgspec

from pipeline.errors import UnsettledReason
from pipeline.messages.goals import Phase, Step

# ------------------------------------------------------------------ codes
RefusalReason = Literal[
    "already_open",
    "already_closed",
    "expired",
    "orphaned",
    "predecessor",
    "limits",
    "market",
    "simulation",
    "paused",
    "malformed",
]
"""Why a signer refuses an intent."""

DropCause = Literal["cancelled", "not_taken", "replaced", "closed"]
"""Why nothing comes of an intent whose nonce was used: its cancellation was mined; so it was, after every node had called the
transaction invalid; another transaction was mined; an operator closed it."""

GuardReason = Literal[
    "paused",
    "stale_block",
    "sequencer",
    "spot_from_twap",
    "references",
    "gas_price",
    "swap_limited",
    "mint_limited",
    "depth",
    "no_improvement",
    "notional",
    "daily_notional",
    "daily_actions",
    "cost",
    "daily_cost",
    "daily_gas",
    "not_allowed",
    "min_out",
    "price_limit",
    "deadline",
    "oracle_stale",
    "oracle",
    "reserve_paused",
    "reserve_frozen",
    "reserve_isolated",
    "reserve",
    "supply_cap",
    "borrow_cap",
    "liquidity",
    "loan_to_value",
    "carry",
    "debt",
    "health",
]
"""Which guard refuses a phase."""

UnknownReason = Literal["not_observed", "quarantined", "no_price", "price_too_old"]
"""Why a book's inventory is not known."""

StallReason = Literal[
    GuardReason, UnknownReason, UnsettledReason, "no_goal", "not_plannable", "step_failed", "unanswered"
]
"""Why a plan does not begin or does not go on."""

RestReason = Literal["inside_band"]
"""Why a strategy leaves a book as it is."""

StopReason = Literal[RestReason, "no_improvement"]
"""Why a plan is stopped before it has moved anything."""

LeaveReason = Literal["shard_forgot", "book_removed", "policy_replaced", "position_gone", "health_low"]
"""Why a plan is abandoned: something it depends on is gone, or a plan for low health takes its place while it waits."""


# ------------------------------------------------------------------ one transaction
class StepOutcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Why a transaction of a plan failed."""


class SignerRefused(StepOutcome, frozen=True, kw_only=True, tag="refused"):
    """The signer refused the transaction; nothing was sent."""

    reason: RefusalReason


class SignerDropped(StepOutcome, frozen=True, kw_only=True, tag="dropped"):
    """Another transaction used the transaction's nonce, or an operator closed its intent."""

    cause: DropCause
    detail: str


class Unanswered(StepOutcome, frozen=True, kw_only=True, tag="unanswered"):
    """The signer reported nothing on the transaction until it was too old to be signed."""


class Reverted(StepOutcome, frozen=True, kw_only=True, tag="reverted"):
    """The transaction was mined on this branch, and reverted."""


class CancellationMined(StepOutcome, frozen=True, kw_only=True, tag="cancelled"):
    """The transaction's cancellation was mined on this branch."""


class SignerLost(StepOutcome, frozen=True, kw_only=True, tag="lost"):
    """The signer does not know the transaction."""


AnyStepOutcome = SignerRefused | SignerDropped | Unanswered | Reverted | CancellationMined | SignerLost


def step_outcome_text(outcome: AnyStepOutcome) -> str:
    """Describe in a few words why a transaction failed."""
    match outcome:
        case SignerRefused(reason=reason):
            return f"refused: {reason}"
        case SignerDropped(detail=detail):
            return f"dropped: {detail}"
        case SignerLost():
            return "lost: the signer does not know it"
        case Unanswered() | Reverted() | CancellationMined():
            return str(type(outcome).__struct_config__.tag)


# ------------------------------------------------------------------ a plan
class PlanOutcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The base of all outcomes of a plan."""


class Done(PlanOutcome, frozen=True, kw_only=True, tag="done"):
    """All transactions of the plan are mined, and no allowance exceeds its bound."""


class Stalled(PlanOutcome, frozen=True, kw_only=True, tag="stalled"):
    """The plan could not go on for `stall_after`; tokens may remain in the wallet."""

    phase: Phase
    reason: StallReason


class Stopped(PlanOutcome, frozen=True, kw_only=True, tag="stopped"):
    """The plan was stopped because it would not help any more; it had moved nothing."""

    phase: Phase
    reason: StopReason
    detail: str = ""


class Left(PlanOutcome, frozen=True, kw_only=True, tag="left"):
    """The plan was abandoned: what it depends on is gone, or a plan for low health took its place. Tokens may remain in the wallet."""

    phase: Phase
    reason: LeaveReason
    item: str = ""
    """For `position_gone`: the key of the missing position or balance, or the name of the venue at which nothing is hedged any more."""


class NeverSent(PlanOutcome, frozen=True, kw_only=True, tag="never_sent"):
    """No transaction of the plan was ever signed; it names the first one that failed, and why."""

    step: Step
    outcome: AnyStepOutcome


AnyPlanOutcome = Done | Stalled | Stopped | Left | NeverSent
