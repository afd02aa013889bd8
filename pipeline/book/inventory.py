"""Types that one step passes to the next; none of them is published."""

from collections.abc import Mapping, Sequence

import msgspec

from pipeline.book.exposures import ExposureKind, HeldItem
from pipeline.messages.base import Price, RawLog
from pipeline.messages.facts import Fact
from pipeline.messages.views import Holding
from pipeline.units import Address, Bps, RawAmount

WHOLE_BPS = 10_000


class Tracked(msgspec.Struct, kw_only=True):
    """What a block changed."""

    swaps: list[tuple[RawLog, Fact]]
    quarantined: dict[str, str]
    """Item to reason."""


class Summed(msgspec.Struct, frozen=True, kw_only=True):
    """What a book has at one venue, summed by token and kind."""

    items: Sequence[HeldItem]
    by_token: Mapping[Address, Mapping[ExposureKind, int]]
    has_liquidity: bool
    any_in_range: bool


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """A book after a block. Amounts are raw; values are in the policy's quote, rounded down."""

    parts: tuple[Summed, ...]
    """What it has, venue by venue."""
    holdings: tuple[Holding, ...]
    """The net of each of the policy's tokens, by kind."""
    prices: Mapping[Address, Price]
    """In raw quote, of each token that has one."""
    values_quote: Mapping[Address, RawAmount]
    """Of each of the policy's tokens that has a price."""
    base_amount: RawAmount
    quote_amount: RawAmount
    """Quote and its equivalents."""
    unpriced: tuple[Address, ...]
    """Tokens that it has, and that have no price."""
    base_price: Price
    """Raw quote per raw base."""
    base_value_quote: RawAmount
    value_quote: RawAmount
    base_share_bps: Bps
    """Of the value; 0 in an empty book."""
    has_liquidity: bool
    any_in_range: bool

    @property
    def items(self) -> tuple[HeldItem, ...]:
        """List the book's items at every venue."""
        return tuple(item for part in self.parts for item in part.items)
