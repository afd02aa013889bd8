"""Compute the target of a hedge's net exposure, and the size of the next step towards it, in raw base."""

import msgspec

from pipeline.book.inventory import WHOLE_BPS
from pipeline.hedge.aim import HedgeAim
from pipeline.hedge.port import HedgeMove, HedgePosition
from pipeline.messages.hedge import Hedge
from pipeline.units import Bps, RawAmount


class HedgeTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The net base exposure that a step is to end with."""

    move: HedgeMove
    net: int
    whole: bool = True
    """The change reaches the target: what is left is within the band."""


def hedged_base(hedge: Hedge, long: int) -> RawAmount:
    """Compute the base that a ratio applies to: all of it except what is to stay unhedged. Rounds: down."""
    kept = hedge.kept_base + long * hedge.kept_share_bps // WHOLE_BPS
    return RawAmount(max(long - kept, 0))


def centre_of(hedge: Hedge, long: int, ratio_bps: Bps | None = None) -> int:
    """Compute the wanted net exposure of an amount of base, at the policy's ratio unless another is given. Rounds: the hedge down."""
    wanted = hedged_base(hedge, long) * (hedge.ratio_bps if ratio_bps is None else ratio_bps) // WHOLE_BPS
    return long - (wanted if hedge.largest_debt is None else min(wanted, hedge.largest_debt))


def target_of(hedge: Hedge, aim: HedgeAim, net: int, held: HedgePosition) -> HedgeTarget | None:
    """Return the net exposure to move to after it has left its band; None where it is within, or there is nothing to take back.

    `net` is all base less what is owed. Rounds: both edges down.
    """
    long = net + held.size
    if hedge.ends:
        left = held.size or held.collateral
        return HedgeTarget(move="close", net=long) if left else None
    centre, base = centre_of(hedge, long, aim.ratio_bps), max(long, 0)
    off = net - centre
    act_at, back_to = (base * each // WHOLE_BPS for each in (aim.act_at_bps, aim.back_to_bps))
    if abs(off) <= act_at:
        return None
    way = abs(off) - back_to
    step = way if hedge.largest_step is None else min(way, hedge.largest_step)
    end = net - step if off > 0 else net + step
    return HedgeTarget(move="up" if off > 0 else "down", net=end, whole=step == way)
