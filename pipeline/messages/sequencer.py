"""The uptime feed of a chain's sequencer (Chainlink's): its address, and its answers."""

import msgspec

from pipeline.messages.base import Entry
from pipeline.units import Address, Seconds


class SequencerFeed(msgspec.Struct, frozen=True, kw_only=True):
    """The uptime feed of a chain's sequencer, and the grace period after an outage."""

    feed: Address
    grace_s: Seconds = Seconds(3_600)
    """How long after an outage no book acts at a price of the chain."""


class SequencerAnswer(Entry, frozen=True, kw_only=True):
    """`sequencer/A`: the answer of an uptime feed after the last block; absent where the block has no answer. Chain part."""

    round_id: int
    answer: int
    """0: the sequencer is up; 1: it is down."""
    started_at_s: Seconds
    """The time since which the sequencer is up or down."""
