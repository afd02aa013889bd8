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
    """The changes of a block."""

    swaps: list[tuple[RawLog, Fact]]
    quarantined: dict[str, str]
    """The reason of each item that was put into quarantine."""


class Summed(msgspec.Struct, frozen=True, kw_only=True):
    """A book's exposures at one venue, summed by token and kind."""

    items: Sequence[HeldItem]
    by_token: Mapping[Address, Mapping[ExposureKind, int]]
    has_liquidity: bool
    any_in_range: bool


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """A book after a block. Amounts are raw; values are in the policy's quote, rounded down."""

    parts: tuple[Summed, ...]
    """The exposures by venue."""
    holdings: tuple[Holding, ...]
    """The net of each of the policy's tokens, by kind."""
    prices: Mapping[Address, Price]
    """The prices in raw quote of the tokens that have one."""
    values_quote: Mapping[Address, RawAmount]
    """The values of the policy's priced tokens."""
    base_amount: RawAmount
    quote_amount: RawAmount
    """The amount of quote and its equivalents."""
    unpriced: tuple[Address, ...]
    """The held tokens without a price."""
    base_price: Price
    """The price of base, in raw quote per raw base."""
    base_value_quote: RawAmount
    value_quote: RawAmount
    base_share_bps: Bps
    """The base's share of the value; 0 in an empty book."""
    has_liquidity: bool
    any_in_range: bool

    @property
    def items(self) -> tuple[HeldItem, ...]:
        """List the book's items at every venue."""
        return tuple(item for part in self.parts for item in part.items)
