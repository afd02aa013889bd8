"""What a book's policy knows of its signer's file."""

import msgspec

from pipeline.units import Bps, Seconds


class SignersLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in the file of the book's signer, so that no plan exceeds them. The signer checks its own file in any case."""

    max_loss_bps: Bps = Bps(100)
    """The most that a swap or a mint may lose by its minimums, as a share of what it moves, at the mean over `twap_window_s`."""
    max_share_of_depth_bps: Bps = Bps(1_000)
    """The most that a swap or a mint may move, as a share of what the pool holds within 1 % of its price."""
    twap_window_s: Seconds = Seconds(300)
    swap_tolerance_bps: Bps = Bps(15)
    """How far a swap's minimum may be below what the swap brings in the signer's simulation."""
    max_gas_limit: int = 5_000_000
    """The gas limit of one transaction; a withdrawal that needs more is split."""
