"""Read the sequencer's uptime feed for the signer, and refuse what depends on a price during an outage or its grace period.

What only takes risk away goes at any time. Within the grace period so does what secures a debt that needs it: lending markets let hardly
anybody be liquidated then, and everybody once it ends.
"""

from collections.abc import Sequence

from pipeline.errors import CallRevertedError, SettingsError, UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.sequencer import SequencerAnswer, SequencerFeed
from pipeline.sequencer import SequencerTrouble, sequencer_trouble
from pipeline.units import Address, Hash, Seconds
from pipeline.venues.abi import declared
from streams.submit.node import SenderNode
from streams.submit.venues.port import KnownCall, NeedsSecuring
from streams.submit.verdict import Refusal

_ROUND = declared("latestRoundData()", "uint80", "int256", "uint256", "uint256", "uint80")


class OutageCheck:
    """Checks calls against the uptime feed of a signer's file, at one head."""

    def __init__(self, node: SenderNode, feed: SequencerFeed | None, debts: Sequence[NeedsSecuring]) -> None:
        """Set the feed, and the venues at which the owner may have a debt."""
        self._node, self._feed, self._debts = node, feed, debts
        self._found: tuple[Hash, SequencerTrouble | None] | None = None

    async def check(self, calls: Sequence[KnownCall], owner: Address, head: BlockRef) -> None:
        """Refuse calls that must not be made while the sequencer is down. Raises: Refusal, NodeError."""
        if self._feed is None or all(call.in_outage == "always" for call in calls):
            return
        found = await self._trouble(self._feed, head)
        if found is None:
            return
        secures = found.reason != "sequencer_down" and all(call.in_outage != "never" for call in calls)
        if not (secures and await self._is_in_need(owner, head)):
            raise Refusal("market", found.told)

    async def _trouble(self, feed: SequencerFeed, head: BlockRef) -> SequencerTrouble | None:
        if self._found is None or self._found[0] != head.hash:
            answer = await read_sequencer(self._node, feed.feed, head.hash)
            self._found = head.hash, sequencer_trouble(feed, answer, head.timestamp_s)
        return self._found[1]

    async def _is_in_need(self, owner: Address, head: BlockRef) -> bool:
        for venue in self._debts:
            if await venue.is_in_need(owner, head):
                return True
        return False


async def read_sequencer(node: SenderNode, feed: Address, at: Hash) -> SequencerAnswer | None:
    """Read an uptime feed at a block; None where the contract does not answer as one. Raises: NodeError."""
    try:
        round_id, answer, started_at_s, _, _ = _ROUND.answer(await node.call(feed, _ROUND.encode(), at))
    except (CallRevertedError, UnreadableError):
        return None
    return SequencerAnswer(round_id=round_id, answer=answer, started_at_s=Seconds(started_at_s))


async def check_uptime_feed(node: SenderNode, feed: SequencerFeed | None) -> None:
    """Check at start that an uptime feed answers as one, whatever it says. Raises: SettingsError, NodeError."""
    if feed is None:
        return
    head = (await node.newest()).block
    found = sequencer_trouble(feed, await read_sequencer(node, feed.feed, head.hash), head.timestamp_s)
    if found is not None and found.reason == "sequencer_unknown":
        raise SettingsError(
            f"sequencer.uptime_feed: {found.told}: nothing that follows a price would be signed"
        )
