"""The sections of a portfolio file about hedges: how much of the base, at which venue, and how close to the target."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.units import Bps, Seconds
from streams.human_numbers import parse_bps
from streams.portfolio.fields import Duration, Section, Share

Factor = Annotated[Decimal, Field(ge=1, le=100)]
"""A health factor."""


class LawBandSection(Section):
    """A band that follows from what a stray and a trade cost, in place of `act` and `back`."""

    risk_aversion: Annotated[Decimal, Field(ge=Decimal("0.1"), le=100)] = Decimal(4)
    """How much a stray weighs: relative risk aversion, of the book's whole value."""
    step_cost: Annotated[Decimal, Field(gt=0)] = Field(
        description="what each step costs whatever its size, mostly gas, in whole quote"
    )
    trade_cost: Share | None = None
    """Of what is traded; by default the fee of the reference pool."""


class HedgeBandSection(Section):
    """How far the net base exposure may stray from its target, as shares of all base that the book has."""

    act: Share = Bps(500)
    """How far the net exposure may be from its target before the hedge acts."""
    back: Share = Bps(200)
    """How far from its target an action leaves it, on the side that it came from."""
    law: LawBandSection | None = None
    """Both by the law of the cheapest band, from the gamma of the book's ranges as they are."""


def _read_ratio(text: object) -> object:
    return text if text == "auto" else parse_bps(text)


Ratio = Annotated[Bps | Literal["auto"], BeforeValidator(_read_ratio)]
"""A share, or `auto`."""


class HedgeSection(Section):
    """A short of the base at a lending market, or at another venue where a book can be hedged. Amounts are in the base; health factors are plain numbers."""

    venue: str = Field(description="one of chain.venues, at which a book can be hedged")
    collateral: str | None = None
    """The token that secures it, by symbol or address: the quote, one of `quote_equivalents` or of `assets`; left out, it is the quote."""
    ratio: Ratio = Bps(6_500)
    """How much of the base exposure is to be hedged; 0%: nothing, whatever is there is closed; auto: as much as `horizon` and `alpha` allow."""
    horizon: Duration = Seconds(90 * 86_400)
    """Of `ratio: auto`: within this time a liquidation is to stay unlikely; 1 day to 2 years."""
    alpha: Share = Bps(100)
    """Of `ratio: auto`: the chance of a liquidation within the horizon, if nothing is done until then; up to 50%."""
    volatility: Share = Bps(8_000)
    """Of `ratio: auto`: of the base's price per year, until the book's `price_history` tells it; 1% to 1,000%."""
    keep: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """Base that stays unhedged, in whole base."""
    keep_share: Share = Bps(0)
    """Base that stays unhedged, as a share of all base that the book has."""
    band: HedgeBandSection = HedgeBandSection()
    """When to act, and how far back to go."""
    floor: Factor = Decimal("1.1")
    """The least health factor after an action, and after `gap` behind it."""
    gap: Share = Bps(3_000)
    """By how much the base's price may jump at once."""
    act: Factor = Decimal("1.2")
    """Below this health factor the debt is made smaller at once, whatever else is due."""
    warn: Factor = Decimal("1.3")
    """Below this health factor there is an alert."""
    largest_debt: Annotated[Decimal, Field(gt=0)] | None = None
    """The largest debt, in whole base; by default any."""
    largest_step: Annotated[Decimal, Field(gt=0)] | None = None
    """The most that one action changes, in whole base; by default any."""
    oracle_within: Share = Bps(200)
    """How far the price by which the venue liquidates may be from the reference price."""
    oracle_age: Duration = Seconds(90_000)
    """How old the venue's prices of base and collateral may be, if their sources say so; a stablecoin's is updated once a day."""
    most_carry: Share = Bps(2_000)
    """What the debt may cost per year, as a share of it, after an action that makes it larger: the borrow rate that this leads to, or a short's funding."""
    cooldown: Duration = Seconds(10_800)
    """How long the hedge rests after it has reached its target."""
    pace: Duration = Seconds(600)
    """How long it rests after a step that was not the last."""
    compensate_after: Annotated[Duration, Field(gt=0)] | None = None
    """After how long without its trade an action takes the leg before it back: what it borrowed is repaid; by default never."""
