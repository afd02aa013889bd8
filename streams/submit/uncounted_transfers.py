"""Refuse an intent whose simulation transfers anything of the owner's that no venue values."""

from pipeline.units import Address
from streams.submit.simulation import Effect
from streams.submit.venues.port import VenueTerms
from streams.submit.verdict import Refusal

_TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Of ERC-20 and of ERC-721 alike."""


def refuse_strange_transfers(owner: Address, effect: Effect, venue: VenueTerms) -> None:
    """Refuse transfers from the owner other than of compared tokens and of what the venue counts. Raises: Refusal."""
    from_owner = f"0x{owner.removeprefix('0x'):0>64}"
    for log in effect.logs:
        is_transfer = len(log.topics) > 2 and log.topics[0] == _TRANSFER_TOPIC and log.topics[1] == from_owner
        if is_transfer and log.address not in effect.deltas and not venue.counts(log):
            raise Refusal("limits", f"{log.address} moves from the owner and is not on the list")
