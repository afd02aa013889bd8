"""Take prices from Chainlink feeds: the answer after the latest block, and whether it is recent enough."""

from collections.abc import Iterable, Mapping

from pipeline import keys
from pipeline.messages.base import Price
from pipeline.messages.events import BlockSeen
from pipeline.messages.outcomes import UnknownReason
from pipeline.messages.policy import Policy
from pipeline.messages.prices import FeedAnswer, FeedPrice
from pipeline.messages.read_values import FeedRead
from pipeline.state.tables import Tables
from pipeline.units import Address, Seconds

_MOST_DECIMALS = 36


def keep_answers(tables: Tables, books: tuple[Policy, ...], event: BlockSeen) -> None:
    """Write what the books' feeds answered after a block, and forget what it does not tell: no log would have told it either."""
    wanted: frozenset[Address] = tables.of_family(keys.FEEDS, keys.policy.family, lambda: _feeds(books))
    known = {keys.feed.parse(key)[0] for key, _ in tables.group(keys.feed.family, FeedAnswer)}
    if not wanted and not known:
        return
    read = {each.feed: each for each in event.reads if isinstance(each, FeedRead) and each.feed in wanted}
    for feed in sorted(known - read.keys()):
        tables.put(keys.feed(feed), None)
    write_answers(tables, read.values())


def write_answers(tables: Tables, reads: Iterable[FeedRead]) -> None:
    """Write what feeds answered."""
    for each in reads:
        answer = FeedAnswer(
            round_id=each.round_id,
            answer=each.answer,
            updated_at_s=each.updated_at_s,
            decimals=each.decimals,
        )
        tables.put(keys.feed(each.feed), answer)


def answer_of(tables: Tables, feed: FeedPrice) -> FeedAnswer | None:
    """Look up what a feed answered last; None where the last block did not tell."""
    return tables.find(keys.feed(feed.feed), FeedAnswer)


def feed_fault(answer: FeedAnswer | None, feed: FeedPrice, now_s: Seconds) -> UnknownReason | None:
    """Explain why an answer is not a price of now, if so: nobody has read it, it is not a price, or it is too old."""
    if answer is None:
        return "not_observed"
    is_whole = answer.round_id > 0 and 0 < answer.updated_at_s <= now_s
    if not is_whole or answer.answer <= 0 or not 0 <= answer.decimals <= _MOST_DECIMALS:
        return "no_price"
    return "price_too_old" if now_s - answer.updated_at_s > feed.max_age_s else None


def feed_price(
    policy: Policy, token: Address, feed: FeedPrice, answer: FeedAnswer, prices: Mapping[Address, Price]
) -> Price:
    """Turn an answer into the price of a token in raw quote, exactly: whole units of what the feed counts in for one whole token."""
    of_unit = Price(
        numerator=answer.answer * int(10 ** policy.decimals(feed.unit)),
        denominator=int(10 ** (answer.decimals + policy.decimals(token))),
    )
    return of_unit.times(prices[feed.unit])


def _feeds(books: tuple[Policy, ...]) -> frozenset[Address]:
    return frozenset(feed.feed for policy in books for feed in policy.feeds())
