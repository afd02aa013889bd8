"""The hedge in a book's policy: the venue, the target, the band and the limits."""

import msgspec

from pipeline.units import Address, Bps, RawAmount, Seconds


class HedgeBand(msgspec.Struct, frozen=True, kw_only=True, tag="fixed"):
    """How far the net base exposure may stray from its target, as shares of all base that the book has."""

    act_at_bps: Bps = Bps(500)
    back_to_bps: Bps = Bps(200)
    """How far from the target a step leaves it."""


class LawBand(msgspec.Struct, frozen=True, kw_only=True, tag="law"):
    """A band that follows from what a stray and a trade cost: `pipeline/hedge/no_trade_band.py`, with the gamma of the book's ranges."""

    risk_aversion_permille: int = 4_000
    """Relative: of the book's value. 1,000 is 1."""
    step_cost: RawAmount
    """What each step costs whatever its size, mostly gas. Raw quote, above 0."""
    trade_cost_bps: Bps | None = None
    """Of what is traded; None: the fee of the pool in which it is."""


class AutoRatio(msgspec.Struct, frozen=True, kw_only=True):
    """The largest ratio at which a liquidation stays unlikely, by the law of first passage."""

    horizon_s: Seconds = Seconds(90 * 86_400)
    """Within this time,"""
    alpha_bps: Bps = Bps(100)
    """so likely at most."""
    volatility_bps: int = 8_000
    """Of the base's price per year, until the book's past prices tell it."""


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """A short of the base at a venue: a target position, never an order. Health factors are in bps: 10,000 is 1."""

    venue: str
    """Its name in the chain's profile."""
    collateral: Address | msgspec.UnsetType = msgspec.UNSET
    """The token that secures it; left out where that is the quote."""
    ratio_bps: Bps = Bps(6_500)
    """Of the base exposure, how much is hedged; 0: nothing, and all that is left there is taken back. Where `auto` stands it does not count."""
    auto: AutoRatio | msgspec.UnsetType = msgspec.UNSET
    """Left out where the ratio is a number."""
    kept_base: RawAmount = RawAmount(0)
    """Base that is to stay unhedged."""
    kept_share_bps: Bps = Bps(0)
    """Share of the base that is to stay unhedged, beside that amount."""
    band: HedgeBand | LawBand = HedgeBand()
    floor_bps: int = 11_000
    """The least health factor after a step, and after the base's price has then risen by the gap."""
    gap_bps: Bps = Bps(3_000)
    act_bps: int = 12_000
    """Below this health factor the debt is secured at once."""
    warn_bps: int = 13_000
    largest_debt: RawAmount | None = None
    """Raw base; None: as much as the ratio asks for."""
    largest_step: RawAmount | None = None
    """Raw base that one plan sells or buys."""
    oracle_within_bps: Bps = Bps(200)
    """How far the venue's own price of the base may be from the reference price."""
    oracle_age_s: Seconds = Seconds(90_000)
    """How old the venue's prices of base and collateral may be, where their sources say so. The default is a day and an hour: a stablecoin's feed is updated once a day."""
    most_carry_bps: Bps = Bps(2_000)
    """What a size may cost per year after a step that makes it larger, as a share of its value."""
    cooldown_s: Seconds = Seconds(10_800)
    """After a step that reached its target."""
    pace_s: Seconds = Seconds(600)
    """After a step that did not, or that came to nothing."""
    compensate_after_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """After this long without its trade a step takes the leg before it back: what was borrowed is repaid, what was withdrawn supplied. Left out: never."""
    unwound: bool = False
    """An operator has ended it: nothing is hedged, whatever the ratio is, until an operator takes it on again."""

    @property
    def ends(self) -> bool:
        """Return whether nothing is to be hedged, and all that is left at the venue to be taken back."""
        return self.unwound or not (self.auto or self.ratio_bps)
