"""Bring the base share back to its target once it has left its band, or all liquidity has been idle too long."""

from pipeline.decide.strategies.verdict import Rest, Target, Verdict
from pipeline.messages.decisions import Trigger
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import TargetBand
from pipeline.units import Bps, Seconds


def follow_band(path: BookPath, band: TargetBand, deviation_bps: Bps) -> bool:
    """Return whether the share counts as outside: beyond the band, or not yet far enough inside it again."""
    most_bps = band.inner_bps if path.outside_band else band.band_bps
    return abs(deviation_bps) > most_bps


def is_steady(path: BookPath, band: TargetBand, least_bps: Bps, most_bps: Bps) -> bool:
    """Return whether the share stays inside the band, or outside, for every deviation between these two."""
    inner = Bps(band.inner_bps)
    if path.outside_band:
        return least_bps > inner or most_bps < -inner
    return -band.band_bps <= least_bps and most_bps <= band.band_bps


def target_band(path: BookPath, band: TargetBand, now_s: Seconds) -> Verdict:
    """Decide by a book's path up to and including this block."""
    trigger = _trigger(path, band, now_s)
    if trigger is None:
        return Rest(reason="inside_band")
    return Target(base_share_bps=band.target_share_bps, trigger=trigger)


def _trigger(path: BookPath, band: TargetBand, now_s: Seconds) -> Trigger | None:
    if path.outside_band:
        return "share_outside_band"
    since_s = path.out_of_range_since_s
    if since_s is not None and now_s - since_s > band.hold_out_of_range_s:
        return "out_of_range"
    return None


def acts_from_s(path: BookPath, band: TargetBand) -> Seconds | None:
    """Return when an unchanged book will act: once its liquidity has been out of range for too long."""
    since_s = path.out_of_range_since_s
    return None if since_s is None else Seconds(since_s + band.hold_out_of_range_s + 1)
