"""Compare the price feeds of a chain's file with what they say of themselves, and tell how old their answers are."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from contracts_abi.chains import KnownFeed, PriceFeeds
from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.read_values import FeedRead
from pipeline.units import Address
from streams.human_numbers import bps_text, duration_text, rounded_amount_text
from streams.node.contract_calls import ContractReader
from streams.node.read_feeds import read_descriptions, read_feeds


class FeedFact(NamedTuple):
    """A statement about a feed, and whether it contradicts the file."""

    is_right: bool
    says: str


async def known_feed_facts(
    reader: ContractReader, feeds: PriceFeeds, at: BlockRef
) -> AsyncIterator[FeedFact]:
    """Read the description and the last answer of each feed of a chain's file. Raises: NodeError."""
    addresses = [Address(feed.address) for feed in feeds.pairs.values()]
    answers, names = await read_feeds(reader, addresses), await read_descriptions(reader, addresses)
    for (pair, feed), answer, name in zip(feeds.pairs.items(), answers, names, strict=True):
        if isinstance(answer, UnreadableError):
            yield FeedFact(is_right=False, says=f"feeds: {pair}: {feed.address} does not answer: {answer}")
        elif name != pair:
            says = f"feeds: {pair}: {feed.address} says that it is {name or 'nothing'}"
            yield FeedFact(is_right=False, says=says)
        else:
            yield FeedFact(is_right=True, says=_told(pair, feed, answer, at))


def _told(pair: str, feed: KnownFeed, answer: FeedRead, at: BlockRef) -> str:
    age_s = max(at.timestamp_s - answer.updated_at_s, 0)
    known = f"at least every {duration_text(feed.heartbeat_s)}"
    known += f" or {bps_text(feed.deviation_bps)}" if feed.deviation_bps is not None else ""
    late = ", which is late" if age_s > feed.max_age_s else ""
    return f"{pair} {rounded_amount_text(answer.answer, answer.decimals)}, {duration_text(age_s)} old{late} ({known})"
