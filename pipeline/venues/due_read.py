"""A read of the chain that a shard needs."""

import msgspec

from pipeline.messages.entries import Why


class DueRead(msgspec.Struct, frozen=True, kw_only=True):
    """A read of one item that is due at the shard's head."""

    item: str
    why: Why
