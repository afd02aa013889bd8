"""Types of draft transactions: what a venue makes of a phase before any guard has agreed to it."""

from typing import TypeVar

import msgspec

from pipeline.messages.goals import Goal, Phase, Step
from pipeline.messages.transactions import Call, Minimum


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction before any guard has agreed to it. A venue may add fields for its own guards."""

    step: Step
    call: Call
    minimums: tuple[Minimum, ...] = ()
    is_private: bool = False
    """It may be sent to a private relay only, until it is mined."""
    phase: Phase | None = None
    """Its phase, where it is submitted together with an earlier phase."""


DraftT = TypeVar("DraftT", bound=Draft)


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan continues from a phase."""

    goal: Goal
    skips: bool = False
    """The phase has nothing to do."""
    why: str = ""
    """Why the plan continues differently than before; empty: it does not."""


def with_data(made: DraftT, data_gas: int) -> DraftT:
    """Raise a gas limit by the gas for posting the transaction's data."""
    call = msgspec.structs.replace(made.call, gas_limit=made.call.gas_limit + data_gas)
    return msgspec.structs.replace(made, call=call)
