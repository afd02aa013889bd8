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
"""Why a plan that has moved nothing is better not carried on."""

LeaveReason = Literal["shard_forgot", "book_removed", "policy_replaced", "position_gone", "health_low"]
"""What a plan rested on and has gone away; or it waited, and a plan for low health took its place."""


# ------------------------------------------------------------------ one transaction
class StepOutcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Why nothing came of a transaction."""


class SignerRefused(StepOutcome, frozen=True, kw_only=True, tag="refused"):
    """The signer refused it; nothing was sent."""

    reason: RefusalReason


class SignerDropped(StepOutcome, frozen=True, kw_only=True, tag="dropped"):
    """Its nonce was used by something else, or an operator closed it."""

    cause: DropCause
    detail: str


class Unanswered(StepOutcome, frozen=True, kw_only=True, tag="unanswered"):
    """The signer said nothing of it within the age at which it refuses."""


class Reverted(StepOutcome, frozen=True, kw_only=True, tag="reverted"):
    """It was mined on this branch, and reverted."""


class CancellationMined(StepOutcome, frozen=True, kw_only=True, tag="cancelled"):
    """Its cancellation was mined on this branch."""


class SignerLost(StepOutcome, frozen=True, kw_only=True, tag="lost"):
    """The signer does not know it."""


AnyStepOutcome = SignerRefused | SignerDropped | Unanswered | Reverted | CancellationMined | SignerLost


def step_outcome_text(outcome: AnyStepOutcome) -> str:
    """Explain why nothing came of a transaction, in a few words."""
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
    """How a plan ended."""


class Done(PlanOutcome, frozen=True, kw_only=True, tag="done"):
    """All of it is mined, and nobody may take more than may stand."""


class Stalled(PlanOutcome, frozen=True, kw_only=True, tag="stalled"):
    """It could not go on for the policy's time; tokens may lie in the wallet."""

    phase: Phase
    reason: StallReason


class Stopped(PlanOutcome, frozen=True, kw_only=True, tag="stopped"):
    """It is better not carried on; nothing of it was moved."""

    phase: Phase
    reason: StopReason
    detail: str = ""


class Left(PlanOutcome, frozen=True, kw_only=True, tag="left"):
    """What it rested on went away, or a plan for low health took its place; tokens may lie in the wallet."""

    phase: Phase
    reason: LeaveReason
    item: str = ""
    """Of `position_gone`: the key of the position or balance that is gone, or the name of the venue at which nothing is hedged."""


class NeverSent(PlanOutcome, frozen=True, kw_only=True, tag="never_sent"):
    """Nothing of it was ever signed: the first transaction of which nothing came, and why."""

    step: Step
    outcome: AnyStepOutcome


AnyPlanOutcome = Done | Stalled | Stopped | Left | NeverSent
