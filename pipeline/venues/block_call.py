"""A call that each block should answer for a venue."""

import msgspec

from pipeline.units import Address


class BlockCall(msgspec.Struct, frozen=True):
    """A call to a contract after every block, answered in one word."""

    to: Address
    data: str
    """Calldata in hex."""
