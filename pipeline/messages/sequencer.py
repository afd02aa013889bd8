"""The uptime feed of a chain's sequencer (Chainlink's): its address, and its answers."""

import msgspec

from pipeline.messages.base import Entry
from pipeline.units import Address, Seconds


class SequencerFeed(msgspec.Struct, frozen=True, kw_only=True):
    """Which feed tells whether the sequencer that orders a chain's blocks is up."""

    feed: Address
    grace_s: Seconds = Seconds(3_600)
    """So long after the sequencer is back no price of the chain is acted at."""


class SequencerAnswer(Entry, frozen=True, kw_only=True):
    """`sequencer/A`: what an uptime feed answered after the last block; there is none where the block does not tell."""

    round_id: int
    answer: int
    """0: the sequencer is up; 1: it is down."""
    started_at_s: Seconds
    """Since when that is so."""
