"""The goals, phases and steps of plans."""

from typing import Final, Literal, TypeVar

import msgspec

Step = str
"""What one transaction does, by the name that its venue gives it. What a phase is there for is a step of the phase's name."""
APPROVE: Final = "approve"
RESET: Final = "reset"
"""Steps of every venue: letting a spender take of a token, and taking that back."""
Phase = str
"""What of a plan goes out together, by the name that its venue gives it."""
PhaseWork = Literal["frees", "trades", "places", "resets", "secures"]
"""Takes tokens out of the venue; trades them; brings them to where the goal wants them; takes permissions back; changes what is
supplied and owed."""


class PlanPhase(msgspec.Struct, frozen=True, kw_only=True):
    """A phase by its venue's name, and what it does with a book's tokens."""

    name: Phase
    does: PhaseWork


Terms = dict[str, str | tuple[str, ...]]
"""What only a venue looks into, by name; integers are decimal strings."""
TermsT = TypeVar("TermsT", bound=msgspec.Struct)


class RerangeGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rerange"):
    """All liquidity at a venue moves to a new range. Amounts and calldata follow from the state when a step is due."""

    venue: str
    """Kind of the venue."""
    terms: Terms
    """From where to where; only the venue looks into it."""


class HedgeGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="hedge_to"):
    """A hedge becomes another one. Amounts and calldata follow from the state when a step is due."""

    venue: str
    """Its name in the chain's profile."""
    terms: Terms
    """Which net exposure to end with, and how."""


class JointGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rerange_hedged"):
    """A re-range and a step of the hedge in one plan, with one trade for both."""

    rerange: RerangeGoal
    hedge: HedgeGoal


GoalKind = Literal["rerange", "hedge_to", "rerange_hedged"]
Goal = RerangeGoal | HedgeGoal | JointGoal
"""Any goal; `kind` says which."""


def kind_of(goal: Goal) -> GoalKind:
    """Return what a goal is for."""
    if isinstance(goal, JointGoal):
        return "rerange_hedged"
    return "hedge_to" if isinstance(goal, HedgeGoal) else "rerange"


def write_terms(own: msgspec.Struct) -> Terms:
    """Give a venue's own data the form in which they are carried."""
    return {
        name: tuple(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in msgspec.structs.asdict(own).items()
    }


def read_terms(terms: Terms, kind: type[TermsT]) -> TermsT:
    """Take terms as what their venue made them of. Raises: ValueError naming the field."""
    return msgspec.convert(terms, kind, strict=False)
