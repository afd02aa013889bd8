"""Keep the answers of sequencers' uptime feeds, and decide whether books may act."""

from collections.abc import Iterable

from pipeline import keys
from pipeline.book.feeds import replace_answers
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import UptimeRead
from pipeline.messages.sequencer import SequencerAnswer
from pipeline.sequencer import SequencerTrouble, judged_otherwise_s, sequencer_trouble, wait_counts_from_s
from pipeline.state.tables import Tables
from pipeline.units import Address, Seconds


def uptime_feeds(books: Iterable[Policy]) -> frozenset[Address]:
    """List the uptime feeds of the books' chains: one, except while a portfolio is being changed."""
    return frozenset(policy.chain.sequencer.feed for policy in books if policy.chain.sequencer)


def keep_uptime(tables: Tables, books: tuple[Policy, ...], event: BlockSeen) -> None:
    """Store what uptime feeds answered after a block, and forget other answers: no log would have told of a change."""
    wanted = tables.of_family(keys.SEQUENCERS, keys.policy.family, uptime_feeds, books)
    if wanted or tables.has_any(keys.sequencer.family):
        read = (each for each in event.reads if isinstance(each, UptimeRead) and each.feed in wanted)
        replace_answers(
            tables, keys.sequencer, SequencerAnswer, {each.feed: answer_in(each) for each in read}
        )


def write_uptime(tables: Tables, reads: Iterable[UptimeRead]) -> None:
    """Store what uptime feeds answered."""
    for each in reads:
        tables.put(keys.sequencer(each.feed), answer_in(each))


def answer_in(read: UptimeRead) -> SequencerAnswer:
    """Return an uptime feed's answer from a read of it."""
    return SequencerAnswer(round_id=read.round_id, answer=read.answer, started_at_s=read.started_at_s)


def chain_trouble(tables: Tables, policy: Policy, now_s: Seconds) -> SequencerTrouble | None:
    """Explain why prices of a book's chain must not be acted at; None: they may, as always on a chain without an uptime feed."""
    feed = policy.chain.sequencer
    return sequencer_trouble(feed, _answer(tables, feed.feed), now_s) if feed else None


def sequencer_change_s(tables: Tables, policy: Policy, now_s: Seconds) -> Seconds | None:
    """Return the first time at which that may change though nothing is written; None: never."""
    feed = policy.chain.sequencer
    return judged_otherwise_s(feed, _answer(tables, feed.feed), now_s) if feed else None


def wait_began_s(tables: Tables, policy: Policy, began_s: Seconds, now_s: Seconds) -> Seconds:
    """Return from when on a wait counts: not while a book's chain's sequencer is down, nor within the grace period after."""
    feed = policy.chain.sequencer
    return wait_counts_from_s(feed, _answer(tables, feed.feed), began_s, now_s) if feed else began_s


def _answer(tables: Tables, feed: Address) -> SequencerAnswer | None:
    return tables.find(keys.sequencer(feed), SequencerAnswer)
