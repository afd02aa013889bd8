"""What a book's policy knows of its signer's file."""

import msgspec

from pipeline.units import Bps, Seconds


class SignersLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the file of the book's signer allows, so that nothing is planned that it would refuse. It asks for itself."""

    max_loss_bps: Bps = Bps(100)
    """Of what a swap or a mint moves, by its minimums, at the mean over `twap_window_s`."""
    max_share_of_depth_bps: Bps = Bps(1_000)
    """Of what the pool holds within 1 % of its price, a swap or a mint may move."""
    twap_window_s: Seconds = Seconds(300)
    swap_tolerance_bps: Bps = Bps(15)
    """Of what a swap brings when the signer asks, its minimum may be less."""
    max_gas_limit: int = 5_000_000
    """Of one transaction: a withdrawal that needs more is split."""
