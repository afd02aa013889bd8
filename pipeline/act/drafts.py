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
    """Nobody but a relay may be shown it before it is mined."""
    phase: Phase | None = None
    """Of which it is, where it goes out with an earlier one."""


DraftT = TypeVar("DraftT", bound=Draft)


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan continues from a phase."""

    goal: Goal
    skips: bool = False
    """The phase has nothing to do."""
    why: str = ""
    """Why it is not as before; empty: it is."""


def with_data(made: DraftT, data_gas: int) -> DraftT:
    """Raise a gas limit by what posting the transaction's data takes."""
    call = msgspec.structs.replace(made.call, gas_limit=made.call.gas_limit + data_gas)
    return msgspec.structs.replace(made, call=call)
