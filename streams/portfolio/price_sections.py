"""The sections of a portfolio file about prices: their sources, their references, how long they are kept."""

from typing import Annotated

from pydantic import Field

from pipeline.units import Bps, Seconds
from streams.portfolio.fields import Addr, Duration, Pool, Section, Share, at_least


class PriceSection(Section):
    """The source of a token's price in the quote: one of these."""

    pools: Annotated[tuple[Pool, ...], at_least(1)] | None = Field(
        default=None, description="a path of pools from the token to the quote, at their spot prices"
    )
    mean: Annotated[tuple[Pool, ...], at_least(1)] | None = Field(
        default=None, description="a path of pools, at their time-weighted mean prices over the window"
    )
    window: Duration | None = None
    """The window of `mean`."""
    par: str | None = Field(default=None, description="a token with which it is valued at par")
    feed: Addr | None = Field(default=None, description="the address of a Chainlink feed of its price")
    max_age: Duration | None = None
    """How old the feed's answer may be; by default its heartbeat plus a tenth, if the chain's file has the feed."""
    counts_in: str | None = Field(
        default=None, description="the token in which the feed counts: quote or base"
    )


class ReferenceSection(PriceSection):
    """A further price of a token, which spot must be near before the book acts."""

    within: Share = Bps(100)
    """How far spot may be from this price."""


class AssetSection(Section):
    """A further token that counts in the book's value."""

    token: str = Field(description="the token's symbol or address")
    price_path: Annotated[tuple[Pool, ...], at_least(1)] | None = Field(
        default=None, description="a path of pools from the token to the quote, at their spot prices"
    )
    price: PriceSection | None = Field(
        default=None, description="the source of its price, in place of price_path"
    )
    references: tuple[ReferenceSection, ...] = ()
    """Further prices, which spot must be near before the book acts."""
    target_share: Share | None = None
    """The wanted share of the token in the book's value; by default none."""


class PriceHistorySection(Section):
    """The past prices of its pools that a book's shard keeps, for `evenkeel volatility` and `ratio: auto`."""

    every: Duration = Seconds(300)
    """The interval between the kept prices."""
    span: Duration = Seconds(14 * 86_400)
    """How far back the kept prices go."""
