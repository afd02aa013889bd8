"""The goals, phases and steps of plans."""

from typing import Final, Literal, TypeVar

import msgspec

Step = str
"""A transaction's purpose, by the name that its venue gives it. A phase's main transaction has the phase's name."""
APPROVE: Final = "approve"
RESET: Final = "reset"
"""The steps that every venue has: give an allowance, and revoke it."""
Phase = str
"""The name of transactions of a plan that are submitted together, as the venue calls them."""
PhaseWork = Literal["frees", "trades", "places", "resets", "secures"]
"""`frees`: withdraws tokens from the venue. `trades`: swaps them. `places`: puts them where the goal wants them. `resets`: revokes
allowances. `secures`: changes collateral and debt."""


class PlanPhase(msgspec.Struct, frozen=True, kw_only=True):
    """A phase of a plan: its name at the venue, and the kind of work that it does with the book's tokens."""

    name: Phase
    does: PhaseWork


Terms = dict[str, str | tuple[str, ...]]
"""The data of a goal or a position that only its venue reads, by name; integers are decimal strings."""
TermsT = TypeVar("TermsT", bound=msgspec.Struct)


class RerangeGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rerange"):
    """The goal of a re-range: all liquidity at a venue moves to a new range. Amounts and calldata are computed when a step is due."""

    venue: str
    """The venue's kind."""
    terms: Terms
    """The positions and the new range, which only the venue reads."""


class HedgeGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="hedge_to"):
    """The goal of a hedge's step: a net exposure. Amounts and calldata are computed when a step is due."""

    venue: str
    """Its name in the chain's profile."""
    terms: Terms
    """The net exposure to reach and the way there, which only the venue reads."""


class JointGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rerange_hedged"):
    """The goal of a plan that makes a re-range and a step of the hedge, with one trade for both."""

    rerange: RerangeGoal
    hedge: HedgeGoal


GoalKind = Literal["rerange", "hedge_to", "rerange_hedged"]
Goal = RerangeGoal | HedgeGoal | JointGoal
"""Any goal; `kind` says which."""


def kind_of(goal: Goal) -> GoalKind:
    """Return a goal's kind, as `kind` on the wire."""
    if isinstance(goal, JointGoal):
        return "rerange_hedged"
    return "hedge_to" if isinstance(goal, HedgeGoal) else "rerange"


def write_terms(own: msgspec.Struct) -> Terms:
    """Convert a venue's own data into the form of records."""
    return {
        name: tuple(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in msgspec.structs.asdict(own).items()
    }


def read_terms(terms: Terms, kind: type[TermsT]) -> TermsT:
    """Convert terms back into the venue's own type. Raises: ValueError naming the field."""
    return msgspec.convert(terms, kind, strict=False)
