"""The sections of a portfolio file about prices: their sources, their references, how long they are kept."""

from typing import Annotated

from pydantic import Field

from pipeline.units import Bps, Seconds
from streams.portfolio.fields import Addr, Duration, Pool, Section, Share, at_least


class PriceSection(Section):
    """Where a price of a token in the quote comes from: one of these."""

    pools: Annotated[tuple[Pool, ...], at_least(1)] | None = Field(
        default=None, description="pools from it to the quote: each trades what the one before gives"
    )
    mean: Annotated[tuple[Pool, ...], at_least(1)] | None = Field(
        default=None, description="such pools, each at the mean of its price over the window"
    )
    window: Duration | None = None
    """Of `mean`."""
    par: str | None = Field(default=None, description="the token that it is worth as much as")
    feed: Addr | None = Field(default=None, description="a Chainlink feed of it")
    max_age: Duration | None = None
    """How old the feed's answer may be; by default its heartbeat and a tenth, where the chain's file has the feed."""
    counts_in: str | None = Field(default=None, description="what the feed counts in: quote or base")


class ReferenceSection(PriceSection):
    """A further price of a token: a book acts only while spot is near it."""

    within: Share = Bps(100)
    """How far spot may be from it."""


class AssetSection(Section):
    """A token beside base and quote that counts in the book's value."""

    token: str = Field(description="its symbol or address")
    price_path: Annotated[tuple[Pool, ...], at_least(1)] | None = Field(
        default=None, description="pools from it to the quote: each trades what the one before gives"
    )
    price: PriceSection | None = Field(default=None, description="what values it, where no price_path does")
    references: tuple[ReferenceSection, ...] = ()
    """Further prices: a book acts only while spot is near them."""
    target_share: Share | None = None
    """Which share of the book's value is to be in it; by default any."""


class PriceHistorySection(Section):
    """How much of its pools' prices a book's shard keeps, for `evenkeel volatility`."""

    every: Duration = Seconds(300)
    """How far apart the prices that are kept are."""
    span: Duration = Seconds(14 * 86_400)
    """How far back they go."""
