"""Decoded logs, from the pool's point of view: a positive delta is what the pool received.

Facts live inside one step; they do not cross a topic (`views.SwapSeen` does).
"""

import msgspec

from pipeline.units import Address, LogIndex


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The base of all facts: one decoded log, which the contract at `address` emitted."""

    address: Address
    log_index: LogIndex


class Unreadable(Fact, frozen=True, kw_only=True):
    """A log with a known topic and an unknown shape; the item that it concerns cannot be followed any further."""

    reason: str
