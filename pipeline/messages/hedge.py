"""How a book's base is hedged at a venue beside its ranges, as its policy has it."""

import msgspec

from pipeline.units import Bps, RawAmount, Seconds


class HedgeBand(msgspec.Struct, frozen=True, kw_only=True, tag="fixed"):
    """How far the net base exposure may stray from its target, as shares of all base that the book has."""

    act_at_bps: Bps = Bps(500)
    back_to_bps: Bps = Bps(200)
    """How far from the target a step leaves it."""


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """A short of the base at a venue: a target position, never an order. Health factors are in bps: 10,000 is 1."""

    venue: str
    """Its name in the chain's profile."""
    ratio_bps: Bps = Bps(6_500)
    """Of the base exposure, how much is hedged; 0: nothing, and all that is left there is taken back."""
    kept_base: RawAmount = RawAmount(0)
    """Base that is to stay unhedged."""
    kept_share_bps: Bps = Bps(0)
    """Share of the base that is to stay unhedged, beside that amount."""
    band: HedgeBand = HedgeBand()
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
    """How old the venue's price of base and quote may be, where its source tells that. A day and an hour: stablecoins' prices are told once a day."""
    most_carry_bps: Bps = Bps(2_000)
    """What a size may cost per year after a step that makes it larger, as a share of its value."""
    cooldown_s: Seconds = Seconds(10_800)
    """After a step that reached its target."""
    pace_s: Seconds = Seconds(600)
    """After a step that did not, or that came to nothing."""
    unwound: bool = False
    """An operator has ended it: nothing is hedged, whatever the ratio is, until an operator takes it on again."""

    @property
    def ends(self) -> bool:
        """Ask whether nothing is to be hedged, and all that is left at the venue to be taken back."""
        return self.unwound or not self.ratio_bps
