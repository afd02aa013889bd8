"""Take prices from Chainlink feeds: the answer after the latest block, and whether it is recent enough."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from pipeline import keys
from pipeline.messages.base import Entry, Price
from pipeline.messages.events import BlockSeen
from pipeline.messages.outcomes import UnknownReason
from pipeline.messages.policy import Policy
from pipeline.messages.prices import FeedAnswer, FeedPrice
from pipeline.messages.read_values import FeedRead
from pipeline.state.tables import Tables
from pipeline.units import Address, Seconds

_MOST_DECIMALS = 36
AnswerT = TypeVar("AnswerT", bound=Entry)


def keep_answers(tables: Tables, books: tuple[Policy, ...], event: BlockSeen) -> None:
    """Store what the books' feeds answered after a block, and forget other answers: no log would have told of a change."""
    wanted: frozenset[Address] = tables.of_family(keys.FEEDS, keys.policy.family, _feeds, books)
    if wanted or tables.has_any(keys.feed.family):
        read = (each for each in event.reads if isinstance(each, FeedRead) and each.feed in wanted)
        replace_answers(tables, keys.feed, FeedAnswer, {each.feed: _answer_in(each) for each in read})


def replace_answers(
    tables: Tables, kind: keys.Kind[Address], form: type[AnswerT], answers: Mapping[Address, AnswerT]
) -> None:
    """Store what contracts answered after a block, under keys of one kind, and forget answers that the block does not give."""
    known = {kind.parse(key)[0] for key, _ in tables.group(kind.family, form)}
    for contract in sorted(known - answers.keys()):
        tables.put(kind(contract), None)
    for contract, answer in answers.items():
        tables.put(kind(contract), answer)


def write_answers(tables: Tables, reads: Iterable[FeedRead]) -> None:
    """Store what feeds answered."""
    for each in reads:
        tables.put(keys.feed(each.feed), _answer_in(each))


def _answer_in(read: FeedRead) -> FeedAnswer:
    return FeedAnswer(
        round_id=read.round_id, answer=read.answer, updated_at_s=read.updated_at_s, decimals=read.decimals
    )


def answer_of(tables: Tables, feed: FeedPrice) -> FeedAnswer | None:
    """Return a feed's last answer; None where the last block did not give one."""
    return tables.find(keys.feed(feed.feed), FeedAnswer)


def feed_fault(answer: FeedAnswer | None, feed: FeedPrice, now_s: Seconds) -> UnknownReason | None:
    """Explain why an answer is no present price: nobody has read it, it is not a price, or it is too old. None: it is one."""
    if answer is None:
        return "not_observed"
    is_whole = answer.round_id > 0 and 0 < answer.updated_at_s <= now_s
    if not is_whole or answer.answer <= 0 or not 0 <= answer.decimals <= _MOST_DECIMALS:
        return "no_price"
    return "price_too_old" if now_s - answer.updated_at_s > feed.max_age_s else None


class UndatedFeed(NamedTuple):
    """A feed that values an asset of a book, and has no recent answer."""

    feed: FeedPrice
    fault: UnknownReason

    @property
    def item(self) -> str:
        """Return its item."""
        return keys.feed(self.feed.feed)


def undated_feed(tables: Tables, policy: Policy) -> UndatedFeed | None:
    """Find the first of a book's value feeds without a recent answer at the head; None: all of its assets have a present price."""
    head = tables.head
    if not policy.assets or head is None:
        return None
    faults = (
        (feed, feed_fault(answer_of(tables, feed), feed, head.timestamp_s)) for feed in policy.value_feeds()
    )
    return next((UndatedFeed(feed, fault) for feed, fault in faults if fault is not None), None)


def feed_price(
    policy: Policy, token: Address, feed: FeedPrice, answer: FeedAnswer, prices: Mapping[Address, Price]
) -> Price:
    """Convert an answer exactly into the price of a token in raw quote: whole units of the feed's currency per whole token."""
    of_unit = Price(
        numerator=answer.answer * int(10 ** policy.decimals(feed.unit)),
        denominator=int(10 ** (answer.decimals + policy.decimals(token))),
    )
    return of_unit.times(prices[feed.unit])


def _feeds(books: tuple[Policy, ...]) -> frozenset[Address]:
    return frozenset(feed.feed for policy in books for feed in policy.feeds())
