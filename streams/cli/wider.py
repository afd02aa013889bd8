"""Where a live book's limits are wider than a signer's: what it plans the signer would refuse."""

from collections.abc import Callable, Iterator

from pipeline.messages.policy import Policy
from pipeline.tiers import spot_ticks_of
from streams.chain.signer_file import SignerFile
from streams.human import bps_text, seconds_text

_ANY_FEE = 0
"""No tier: the widest."""


def wider_than_signers(policy: Policy) -> Iterator[str]:
    """Name each limit of a book that is wider than what a signer's file allows unless it names more."""
    if policy.mode != "live":
        return
    limits, defaults = policy.limits, {name: each.default for name, each in SignerFile.model_fields.items()}
    ticks = spot_ticks_of(_ANY_FEE)
    pairs: list[tuple[str, int | None, str, int, Callable[[int], str]]] = [
        ("max_slippage", limits.max_slippage_bps, "max_loss", defaults["max_loss"], bps_text),
        ("swap_tolerance", limits.swap_tolerance_bps, "swap_tolerance", defaults["swap_tolerance"], bps_text),
        ("max_spot_from_twap_ticks", limits.max_spot_from_twap_ticks, "max_spot_from_twap_ticks", ticks, str),
        ("deadline", limits.deadline_s, "max_deadline", defaults["max_deadline"], seconds_text),
    ]
    for name, wanted, theirs, most, text in pairs:
        if wanted is not None and wanted > most:
            yield (
                f"{policy.book}: {name} {text(wanted)} is wider than a signer's {theirs}, {text(most)} unless its file says "
                "more: it would refuse what needs it (limits)"
            )
