"""The hedge in a book's policy: the venue, the target, the band and the limits."""

import msgspec

from pipeline.units import Address, Bps, RawAmount, Seconds


class HedgeBand(msgspec.Struct, frozen=True, kw_only=True, tag="fixed"):
    """A fixed band: how far the net base exposure may be from its target, as shares of all base of the book."""

    act_at_bps: Bps = Bps(500)
    back_to_bps: Bps = Bps(200)
    """How far from its target a step leaves the net exposure."""


class LawBand(msgspec.Struct, frozen=True, kw_only=True, tag="law"):
    """A band derived from the costs of a deviation and of a trade, with the gamma of the book's ranges: `pipeline/hedge/no_trade_band.py`."""

    risk_aversion_permille: int = 4_000
    """The relative risk aversion, with respect to the book's value; 1,000 is 1."""
    step_cost: RawAmount
    """The fixed cost of a step, mostly gas. Raw quote, above 0."""
    trade_cost_bps: Bps | None = None
    """The cost of a trade as a share of its amount; None: the fee of the pool in which it is made."""


class AutoRatio(msgspec.Struct, frozen=True, kw_only=True):
    """The largest hedge ratio at which a liquidation is unlikely enough, by the first-passage probability."""

    horizon_s: Seconds = Seconds(90 * 86_400)
    """The time within which a liquidation must be unlikely."""
    alpha_bps: Bps = Bps(100)
    """The largest probability of a liquidation within that time."""
    volatility_bps: int = 8_000
    """The volatility of the base's price per year, used until there are enough past prices to estimate it."""


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """A short of the base at a venue: a target position, never an order. Health factors are in bps: 10,000 is 1."""

    venue: str
    """Its name in the chain's profile."""
    collateral: Address | msgspec.UnsetType = msgspec.UNSET
    """The token that secures the hedge; left out where it is the quote."""
    ratio_bps: Bps = Bps(6_500)
    """The hedged share of the base exposure; 0: the debt is repaid and the collateral withdrawn. Ignored where `auto` is set."""
    auto: AutoRatio | msgspec.UnsetType = msgspec.UNSET
    """Derives the ratio; left out where `ratio_bps` states it."""
    kept_base: RawAmount = RawAmount(0)
    """The amount of base to leave unhedged."""
    kept_share_bps: Bps = Bps(0)
    """The share of base to leave unhedged, beside that amount."""
    band: HedgeBand | LawBand = HedgeBand()
    floor_bps: int = 11_000
    """The least health factor after a step, also if the base's price then rises by the gap."""
    gap_bps: Bps = Bps(3_000)
    act_bps: int = 12_000
    """Below this health factor the debt is secured at once."""
    warn_bps: int = 13_000
    largest_debt: RawAmount | None = None
    """The largest debt in raw base; None: no limit but the ratio."""
    largest_step: RawAmount | None = None
    """The most raw base that one plan sells or buys; None: no limit."""
    oracle_within_bps: Bps = Bps(200)
    """How far the venue's own price of the base may be from the reference price."""
    oracle_age_s: Seconds = Seconds(90_000)
    """How old the venue's prices of base and collateral may be, where their sources say so. The default is a day and an hour: a stablecoin's feed is updated once a day."""
    most_carry_bps: Bps = Bps(2_000)
    """The most that the debt may cost per year after a step that increases it, as a share of its value."""
    cooldown_s: Seconds = Seconds(10_800)
    """The wait after a step that reached its target."""
    pace_s: Seconds = Seconds(600)
    """The wait after a step that did not reach its target, or failed."""
    compensate_after_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    """If the trade of a step fails for this long, the leg before it is undone: the borrowed is repaid, the withdrawn supplied. Left out: never."""
    unwound: bool = False
    """An operator has ended the hedge: nothing is hedged, whatever the ratio, until an operator starts it again."""

    @property
    def ends(self) -> bool:
        """Return whether the hedge ends: the debt is to be repaid and the collateral withdrawn."""
        return self.unwound or not (self.auto or self.ratio_bps)

    def is_low(self, health_bps: int | None) -> bool:
        """Return whether the debt is secured at once at this health factor; None, of an account without debt, is not low."""
        return health_bps is not None and health_bps < self.act_bps
