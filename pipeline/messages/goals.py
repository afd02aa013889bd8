"""What a plan is for, and what it does: goals, phases and steps."""

from typing import Literal, TypeVar

import msgspec

Step = Literal["withdraw", "approve", "swap", "mint", "reset"]
"""What one transaction does."""
Phase = Literal["withdraw", "swap", "mint", "reset"]
"""What of a plan goes out together."""

Terms = dict[str, str | tuple[str, ...]]
"""A venue's own part of a goal, by name; integers are decimal strings."""
TermsT = TypeVar("TermsT", bound=msgspec.Struct)


class RerangeGoal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rerange"):
    """All liquidity at a venue moves to a new range. Amounts and calldata follow from the state when a step is due."""

    venue: str
    """Kind of the venue."""
    terms: Terms
    """From where to where; only the venue looks into it."""


Goal = RerangeGoal
"""Any goal; `kind` says which."""


def write_terms(own: msgspec.Struct) -> Terms:
    """Give a venue's own part of a goal the form in which it is carried."""
    return {
        name: tuple(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in msgspec.structs.asdict(own).items()
    }


def read_terms(terms: Terms, kind: type[TermsT]) -> TermsT:
    """Take a goal's terms as what its venue made them of. Raises: ValueError naming the field."""
    return msgspec.convert(terms, kind, strict=False)
