"""Default limits that depend on a pool's fee, used where a policy or a signer's file sets none.

A pool's price is left alone within its fee: nobody earns by correcting less. So its mean and its spot may differ by about
that much without any push, and what is wider than a few of them is no longer a quiet market.
"""

from collections.abc import Mapping

from pipeline.units import Bps, LogBps

_SLIPPAGE_BPS: Mapping[int, int] = {100: 5, 500: 15, 3_000: 50}
"""Beside the fee. Pairs that are nearly at par trade at 1 bp; the majors at 5; others at 30 and 100."""
_WIDEST_SLIPPAGE_BPS = 100
_SPOT_LOG_BPS: Mapping[int, int] = {100: 20, 500: 50, 3_000: 100}
_WIDEST_SPOT_LOG_BPS = 200


def slippage_bps_of(fee_pips: int) -> Bps:
    """Return how far from the reference price a swap may end, by the pool's fee."""
    return Bps(_SLIPPAGE_BPS.get(fee_pips, _WIDEST_SLIPPAGE_BPS))


def spot_log_bps_of(fee_pips: int) -> LogBps:
    """Return how far spot may be from a reference price, by the pool's fee."""
    return LogBps(_SPOT_LOG_BPS.get(fee_pips, _WIDEST_SPOT_LOG_BPS))
