"""Compare what a portfolio file says of price feeds with what they answer."""

from collections.abc import AsyncIterator, Iterator

from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.policy import Policy
from pipeline.messages.prices import FeedPrice
from pipeline.messages.read_values import FeedRead
from streams.human_numbers import amount_text, duration_text
from streams.node.contract_calls import ContractReader
from streams.node.read_feeds import read_descriptions, read_feeds
from streams.yaml_positions import FieldPath, Problem


async def feed_problems(
    reader: ContractReader, policy: Policy, path: FieldPath, at: BlockRef
) -> AsyncIterator[Problem]:
    """Find feeds of a book of the file at `path` that do not answer, or whose answer is too old. Raises: NodeError."""
    named = list(_named(policy, path))
    answers = await read_feeds(reader, [feed.feed for _, feed in named]) if named else []
    for (place, feed), answer in zip(named, answers, strict=True):
        if isinstance(answer, UnreadableError):
            yield Problem((*place, "feed"), f"{feed.feed} does not answer as a price feed: {answer}")
        elif answer.answer <= 0:
            yield Problem((*place, "feed"), f"{feed.feed} answers {answer.answer}, which is not a price")
        elif at.timestamp_s - answer.updated_at_s > feed.max_age_s:
            age, most = duration_text(at.timestamp_s - answer.updated_at_s), duration_text(feed.max_age_s)
            says = f"the last answer of {feed.feed} is {age} old, at most {most} are allowed"
            yield Problem((*place, "max_age"), says)


async def describe_feeds(reader: ContractReader, policy: Policy, at: BlockRef) -> list[str]:
    """Describe each feed of a book: its own description, its answer, and the answer's age. Raises: NodeError."""
    feeds = list(dict.fromkeys(feed.feed for feed in policy.feeds()))
    if not feeds:
        return []
    answers, names = await read_feeds(reader, feeds), await read_descriptions(reader, feeds)
    return [
        f"{policy.book}: feed {answer.feed} is {name or 'without a description'} and {_told(answer, at)}"
        for answer, name in zip(answers, names, strict=True)
        if not isinstance(answer, UnreadableError)
    ]


def _told(answer: FeedRead, at: BlockRef) -> str:
    age = duration_text(max(at.timestamp_s - answer.updated_at_s, 0))
    return f"says {amount_text(answer.answer, answer.decimals)} ({answer.decimals} decimals), {age} ago"


def _named(policy: Policy, path: FieldPath) -> Iterator[tuple[FieldPath, FeedPrice]]:
    """List a book's feeds, each with its place in the file."""
    for k, reference in enumerate(policy.references or ()):
        if isinstance(reference.price, FeedPrice):
            yield (*path, "references", k), reference.price
    for j, asset in enumerate(policy.known_assets()):
        if isinstance(asset.spot, FeedPrice):
            yield (*path, "assets", j, "price"), asset.spot
        for k, reference in enumerate(asset.references or ()):
            if isinstance(reference.price, FeedPrice):
                yield (*path, "assets", j, "references", k), reference.price
