"""Show positions of a kind of venue that has no words of its own: amounts by token."""

from collections.abc import Mapping, Sequence

from pipeline.book.exposures import HeldItem
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.goals import Terms
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount, TokenId
from streams.cli.venues.port import InUnits
from streams.cli.wording import named_in
from streams.present_books import BookNow


class PlainVenue:
    """Shows a venue of any kind by what every venue's port gives."""

    noun = "position"
    columns: Sequence[str] = ("position", "liquidity", "~holds")
    event_names: Mapping[str, str] = {}

    def __init__(self, kind: str) -> None:
        """Take the kind's name, which stands before its terms."""
        self._kind = kind

    def call(self, item: str) -> str:
        """Name a position by its key."""
        return item

    def cells(self, book: BookNow, held: HeldItem) -> Sequence[str]:
        """Show a position: whether it provides liquidity, and the sum of each token in it."""
        names, sums = named_in(book.policy), dict.fromkeys((row.token for row in held.exposures), 0)
        for row in held.exposures:
            sums[row.token] += row.amount
        amounts = " + ".join(names.amount(token, RawAmount(raw)) for token, raw in sums.items())
        return held.item, "in range" if held.in_range else "out of range", amounts

    def place(self, terms: Terms, policy: Policy | None) -> str:
        """List the terms."""
        del policy
        told = (
            f"{name} {value if isinstance(value, str) else ' '.join(value)}" for name, value in terms.items()
        )
        return f"{self._kind} {', '.join(told)}".rstrip()

    def new_position(self, terms: Terms, policy: Policy | None) -> str:
        """List the terms of a new position."""
        return f"new position {self.place(terms, policy)}"

    def refusal_numbers(self) -> Mapping[str, InUnits]:
        """Leave its refusals as they are."""
        return {}

    def numbered_item(self, spec: VenueSpec, number: TokenId) -> str | None:
        """Its positions have no numbers."""
        del spec, number
        return None
