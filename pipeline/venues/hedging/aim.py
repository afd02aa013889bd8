"""Look up what a book's hedge aims at now: the policy's numbers, or what its laws give for the book as it is."""

from pipeline import keys
from pipeline.book.book_curve import gamma_of_book, price_of
from pipeline.book.inventory import Stock
from pipeline.hedge.aim import BandInputs, HedgeAim, Security, law_band_bps, safe_ratio_bps
from pipeline.hedge.port import HedgePosition
from pipeline.hedge.target import hedged_base
from pipeline.messages.entries import CalibratedVolatility
from pipeline.messages.hedge import AutoRatio, LawBand
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount
from pipeline.venues.hedging.goal import collateral_price, in_wallet, need_hedge
from pipeline.venues.hedging.sizes import HedgePlaces

_PPM_PER_BPS = 100


def aim_of(at: HedgePlaces, shard: Shard, policy: Policy, stock: Stock) -> HedgeAim:
    """Return ratio and band at a block. Raises: PipelineError where the position is not known."""
    hedge, held = need_hedge(policy), at.venue.position(shard, policy)
    ratio_bps, band = hedge.ratio_bps, hedge.band
    if hedge.auto:
        behind = security_of(at, shard, policy, stock, held)
        ratio_bps = safe_ratio_bps(hedge.auto, sigma_ppm(shard, policy, hedge.auto), behind, stock.base_price)
    if not isinstance(band, LawBand):
        return HedgeAim(ratio_bps=ratio_bps, act_at_bps=band.act_at_bps, back_to_bps=band.back_to_bps)
    act_at, back_to = law_band_bps(
        band, _band_inputs(policy, stock, held, band), at.trades.fee_pips(shard, policy)
    )
    return HedgeAim(ratio_bps=ratio_bps, act_at_bps=act_at, back_to_bps=back_to)


def sigma_ppm(shard: Shard, policy: Policy, auto: AutoRatio) -> int:
    """Return the volatility by which a ratio is chosen: the calibrated one, else the policy's. Units: millionths per square root of a year."""
    found = shard.tables.find(keys.volatility(policy.book), CalibratedVolatility)
    return (found.sigma_ppm if found is not None else None) or auto.volatility_bps * _PPM_PER_BPS


def security_of(at: HedgePlaces, shard: Shard, policy: Policy, stock: Stock, held: HedgePosition) -> Security:
    """Return what stands behind a book's hedge: its collateral and what the wallet has of it, without what the debt's sale brought into it.

    That is what the debt is worth where the sale is paid in the collateral's token, else nothing. Rounds: down.
    """
    hedge, secures = need_hedge(policy), collateral_price(policy, stock.prices)
    own = secures.value(held.collateral + in_wallet(shard, policy, "close").collateral)
    if policy.collateral_token == policy.quote:
        own = RawAmount(own - stock.base_price.value(held.size))
    return Security(
        own_quote=RawAmount(max(own, 0)),
        counts_bps=Bps(at.venue.counts_bps(shard, policy)),
        hedged_base=hedged_base(hedge, stock.base_amount + held.size),
        largest_debt=hedge.largest_debt,
    )


def _band_inputs(policy: Policy, stock: Stock, held: HedgePosition, law: LawBand) -> BandInputs:
    base, quote = (10 ** policy.decimals(token) for token in (policy.base, policy.quote))
    return BandInputs(
        price=price_of(policy, stock),
        gamma=gamma_of_book(policy, stock),
        value=stock.value_quote / quote,
        base=(stock.base_amount + held.size) / base,
        step_cost=law.step_cost / quote,
    )
