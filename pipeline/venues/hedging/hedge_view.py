"""Describe a book's hedge for its view and for the screens."""

from msgspec import UNSET, UnsetType

from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.hedge.aim import HedgeAim
from pipeline.hedge.target import centre_of, hedged_base
from pipeline.messages.policy import Policy
from pipeline.messages.views import HedgeShown
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount
from pipeline.venues.hedging.aim import aim_of, sigma_ppm
from pipeline.venues.hedging.goal import need_hedge
from pipeline.venues.hedging.sizes import HedgePlaces

_NOTHING = HedgeAim(ratio_bps=Bps(0), act_at_bps=Bps(0), back_to_bps=Bps(0))
"""What a hedge that ends keeps."""


def show_hedge(at: HedgePlaces, shard: Shard, policy: Policy, stock: Stock) -> HedgeShown:
    """Return what a hedge is to keep, what it has, and what that costs. Raises: PipelineError where the position is not known."""
    hedge, held = need_hedge(policy), at.venue.position(shard, policy)
    aim = _NOTHING if hedge.ends else aim_of(at, shard, policy, stock)
    long, carry = stock.base_amount + held.size, at.venue.carry(shard, policy)
    of = hedged_base(hedge, long)
    chosen_by: int | UnsetType = UNSET
    if hedge.auto and not hedge.ends:
        chosen_by = sigma_ppm(shard, policy, hedge.auto)
    return HedgeShown(
        ratio_bps=Bps(held.size * WHOLE_BPS // of if of else 0),
        wanted_ratio_bps=aim.ratio_bps,
        ends=hedge.ends,
        sigma_ppm=chosen_by,
        size=held.size,
        collateral_token=UNSET if policy.collateral_token == policy.quote else policy.collateral_token,
        collateral=held.collateral,
        health_bps=held.health_bps,
        net_base=stock.base_amount,
        target_base=RawAmount(centre_of(hedge, long, aim.ratio_bps)),
        act_at=RawAmount(max(long, 0) * aim.act_at_bps // WHOLE_BPS),
        back_to=RawAmount(max(long, 0) * aim.back_to_bps // WHOLE_BPS),
        pays_base=RawAmount(carry.pays_base),
        earns=RawAmount(carry.earns),
        order=UNSET if held.order is None else held.order,
    )
