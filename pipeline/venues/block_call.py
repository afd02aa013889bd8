"""A call that each block should answer for a venue."""

import msgspec

from pipeline.units import Address


class BlockCall(msgspec.Struct, frozen=True):
    """A question to a contract that is answered in one word, after every block."""

    to: Address
    data: str
    """Calldata in hex."""
