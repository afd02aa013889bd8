"""The sections of a signer's file about references: what else prices a pair, besides its pool."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline.units import Bps, Seconds
from streams.portfolio.fields import Addr, Duration, Section, Share, share_up_to
from streams.submit.venues.uniswap_v3.terms import NamedFeed, NamedReferences

_LONGEST_HEARTBEAT_S = 2 * 86_400
_MOST_DEVIATION = Bps(200)
_LATE_DIVISOR = 10
"""The default of a feed's `max_age` is its heartbeat plus a tenth of it."""


def _sane_heartbeat(heartbeat_s: Seconds) -> Seconds:
    if not 0 < heartbeat_s <= _LONGEST_HEARTBEAT_S:
        raise ValueError("must be above 0s and at most 2d")
    return heartbeat_s


class FeedSection(Section):
    """A Chainlink feed that prices `base` in `quote`."""

    address: Addr = Field(description="the feed's proxy")
    base: Addr = Field(description="the token whose price it states")
    quote: Addr = Field(description="the token that the price is in; dollars for a token that is worth one")
    heartbeat: Annotated[Duration, AfterValidator(_sane_heartbeat)] = Field(
        description="how often it answers at the least, as its publisher says"
    )
    max_age: Duration | None = None
    """How old an answer may be, one to two heartbeats; by default a tenth more than the heartbeat."""
    deviation: Annotated[Share, share_up_to(_MOST_DEVIATION)] = Bps(50)
    """The price move after which the feed's answer is updated."""

    @model_validator(mode="after")
    def _check_age(self) -> Self:
        if self.max_age is not None and not self.heartbeat <= self.max_age <= 2 * self.heartbeat:
            raise ValueError("max_age must be between one and two heartbeats")
        if self.base == self.quote:
            raise ValueError("base and quote must be two tokens")
        return self

    def named(self) -> NamedFeed:
        """Convert the feed into the form in which it is read from the chain."""
        usual_s = Seconds(self.heartbeat + self.heartbeat // _LATE_DIVISOR)
        return NamedFeed(
            address=self.address,
            base=self.base,
            quote=self.quote,
            max_age_s=usual_s if self.max_age is None else self.max_age,
            deviation_bps=self.deviation,
        )


class ReferencesSection(Section):
    """Further pools of the listed pairs, and feeds. The price that is worst for the owner counts."""

    pools: tuple[Addr, ...] = ()
    """Further pools of the listed pairs; nothing is traded in them."""
    feeds: tuple[FeedSection, ...] = ()
    """Chainlink feeds."""

    def named(self, *, may_be_single: bool) -> NamedReferences:
        """Convert the references into the form in which they are read from the chain."""
        return NamedReferences(
            pools=self.pools, feeds=tuple(feed.named() for feed in self.feeds), may_be_single=may_be_single
        )
