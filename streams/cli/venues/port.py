"""The port by which a kind of venue puts its own data into words and columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pipeline.book.exposures import HeldItem
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.goals import Terms
from pipeline.messages.policy import Policy
from pipeline.units import TokenId
from streams.present_books import BookNow

InUnits = Callable[[Policy, int], str]
"""Shows a number of a refusal in its unit."""


class ShownVenue(Protocol):
    """A kind of venue, as commands show it."""

    noun: str
    """What people call one of its positions."""
    columns: Sequence[str]
    """Of a position, between its book and its block; titles as `print_table` takes them."""
    event_names: Mapping[str, str]
    """By the first topic of its contracts' logs."""

    def call(self, item: str) -> str:
        """Name a position as people do who know its noun: by its number."""

    def cells(self, book: BookNow, held: HeldItem) -> Sequence[str]:
        """Show a position, a cell for each column."""

    def place(self, terms: Terms, policy: Policy | None) -> str:
        """Describe where a goal or a position has liquidity; without the book's policy, in raw numbers."""

    def new_position(self, terms: Terms, policy: Policy | None) -> str:
        """Say of a position that it would be new."""

    def refusal_numbers(self) -> Mapping[str, InUnits]:
        """List the patterns of refusals whose groups are numbers in units of its own."""

    def numbered_item(self, spec: VenueSpec, number: TokenId) -> str | None:
        """Name the item that a person calls by a number; None where its positions have none."""
