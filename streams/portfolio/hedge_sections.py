"""The sections of a portfolio file about hedges: how much of the base, at which venue, and how close to the target."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.units import Bps, Seconds
from streams.amounts import AmountFromZero, PositiveAmount
from streams.human_numbers import parse_bps
from streams.portfolio.fields import Duration, Section, Share

Factor = Annotated[Decimal, Field(ge=1, le=100)]
"""A health factor."""


class LawBandSection(Section):
    """A band derived from the costs of a deviation and of a trade, in place of `act` and `back`."""

    risk_aversion: Annotated[Decimal, Field(ge=Decimal("0.1"), le=100)] = Decimal(4)
    """The relative risk aversion, with respect to the book's value: how much a deviation weighs."""
    step_cost: PositiveAmount = Field(description="the fixed cost of a step, mostly gas, in whole quote")
    trade_cost: Share | None = None
    """The cost of a trade as a share of its amount; by default the fee of the reference pool."""


class HedgeBandSection(Section):
    """How far the net base exposure may be from its target, as shares of all base of the book."""

    act: Share = Bps(500)
    """How far the net exposure may be from its target before the hedge acts."""
    back: Share = Bps(200)
    """How far from its target an action leaves the net exposure, on the side from which it came."""
    law: LawBandSection | None = None
    """Derives both edges: the cheapest band for the present gamma of the book's ranges."""


def read_ratio(text: object) -> object:
    """Read a hedge's ratio: a share, or `auto`. Raises: ValueError."""
    return text if text == "auto" else parse_bps(text)


Ratio = Annotated[Bps | Literal["auto"], BeforeValidator(read_ratio)]
"""A share, or `auto`."""


class HedgeSection(Section):
    """A short of the base at a lending market, or at another venue where a book can be hedged. Amounts are in the base; health factors are plain numbers."""

    venue: str = Field(description="one of chain.venues at which a book can be hedged")
    collateral: str | None = None
    """The token that secures the hedge, by symbol or address: the quote (the default), one of `quote_equivalents` or one of `assets`."""
    ratio: Ratio = Bps(6_500)
    """The hedged share of the base exposure; 0%: none, and an existing hedge is ended; auto: as much as `horizon` and `alpha` allow."""
    horizon: Duration = Seconds(90 * 86_400)
    """For `ratio: auto`: the time within which a liquidation must be unlikely; 1 day to 2 years."""
    alpha: Share = Bps(100)
    """For `ratio: auto`: the largest probability of a liquidation within the horizon, if nothing is done until then; up to 50%."""
    volatility: Share = Bps(8_000)
    """For `ratio: auto`: the volatility of the base's price per year, until `price_history` is long enough to estimate it; 1% to 1,000%."""
    keep: AmountFromZero = Decimal(0)
    """The amount of base to leave unhedged, in whole base."""
    keep_share: Share = Bps(0)
    """The share of the book's base to leave unhedged, beside that amount."""
    band: HedgeBandSection = HedgeBandSection()
    """How far the net exposure may be from its target, and where an action leaves it."""
    floor: Factor = Decimal("1.1")
    """The least health factor after an action, also if the base's price then rises by `gap`."""
    gap: Share = Bps(3_000)
    """The price jump of the base that a hedge must withstand."""
    act: Factor = Decimal("1.2")
    """The health factor below which the debt is secured at once, before anything else."""
    warn: Factor = Decimal("1.3")
    """The health factor below which an alert is published."""
    largest_debt: PositiveAmount | None = None
    """The largest debt, in whole base; by default no limit."""
    largest_step: PositiveAmount | None = None
    """The most that one action sells or buys, in whole base; by default no limit."""
    oracle_within: Share = Bps(200)
    """How far the venue's liquidation price of the base may be from the reference price."""
    oracle_age: Duration = Seconds(90_000)
    """How old the venue's prices of base and collateral may be, where their sources state it; a stablecoin's is updated once a day."""
    most_carry: Share = Bps(2_000)
    """The most that the debt may cost per year, as a share of it, after an action that increases it: the borrow rate after the action, or a short's funding."""
    cooldown: Duration = Seconds(10_800)
    """The wait after an action that reached the target."""
    pace: Duration = Seconds(600)
    """The wait after an action that did not reach the target, or failed."""
    compensate_after: Annotated[Duration, Field(gt=0)] | None = None
    """If an action's trade fails for this long, the leg before it is undone: what was borrowed is repaid; by default never."""
