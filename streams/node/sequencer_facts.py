"""Put into words what an uptime feed says of a chain's sequencer, judged as books judge it."""

import msgspec

from pipeline.book.sequencer import answer_in
from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.sequencer import SequencerFeed
from pipeline.sequencer import SequencerReason, sequencer_trouble
from streams.human_numbers import duration_text
from streams.node.contract_calls import ContractReader
from streams.node.read_feeds import read_uptime


class SequencerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a chain's sequencer."""

    trouble: SequencerReason | None
    """Why books do not act; None: they may."""
    says: str


async def sequencer_facts(reader: ContractReader, feed: SequencerFeed, at: BlockRef) -> SequencerFacts:
    """Return whether the sequencer is up, and has been for longer than its grace period. Raises: NodeError."""
    (told,) = await read_uptime(reader, [feed.feed])
    if isinstance(told, UnreadableError):
        says = f"the sequencer's uptime feed {feed.feed} does not answer: {told}"
        return SequencerFacts(trouble="sequencer_unknown", says=says)
    trouble = sequencer_trouble(feed, answer_in(told), at.timestamp_s)
    since = duration_text(max(at.timestamp_s - told.started_at_s, 0))
    if trouble is None:
        return SequencerFacts(trouble=None, says=f"the sequencer is up since {since}")
    words = {
        "sequencer_down": f"the sequencer is down since {since}: prices of the chain are not those of now",
        "sequencer_grace": f"the sequencer is back since {since}: no price is relied on for {duration_text(feed.grace_s)}",
    }
    return SequencerFacts(trouble=trouble.reason, says=words.get(trouble.reason, trouble.told))
