"""The section of a portfolio or a signer's file about the uptime feed of the chain's sequencer."""

from typing import Annotated

from pydantic import Field

from contracts_abi.chains import ChainFile
from pipeline.messages.sequencer import SequencerFeed
from streams.chain_numbers import sequencer_in
from streams.portfolio.fields import Addr, Duration, Section

_LONGEST_GRACE_S = 86_400


class SequencerSection(Section):
    """The uptime feed of the chain's sequencer. No price counts while the sequencer is down, and within the grace period afterwards."""

    uptime_feed: Addr | None = None
    """The address of the feed's proxy; by default the one in the chain's file."""
    grace: Annotated[Duration, Field(ge=1, le=_LONGEST_GRACE_S)] | None = None
    """The grace period: how long after an outage no price counts; by default the chain file's, else 1h."""

    def feed(self, chain: ChainFile | None) -> SequencerFeed | None:
        """Return which feed counts: the one named here above that of the chain's file; None where neither names one."""
        known = None if chain is None else sequencer_in(chain)
        if known is None and self.uptime_feed is not None:
            known = SequencerFeed(feed=self.uptime_feed)
        if known is None:
            return None
        return SequencerFeed(feed=self.uptime_feed or known.feed, grace_s=self.grace or known.grace_s)
