"""Decoded logs, from the pool's point of view: a positive delta is what the pool received.

Facts live inside one step; they do not cross a topic (`views.SwapSeen` does).
"""

import msgspec

from pipeline.units import Address, LogIndex


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One decoded log. `address` emitted it."""

    address: Address
    log_index: LogIndex


class Unreadable(Fact, frozen=True, kw_only=True):
    """The topic is known, the shape is not: whatever the log is about cannot be carried on."""

    reason: str
