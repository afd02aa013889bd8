"""Skip the books that a block cannot concern: their entries are unchanged, their pools are within their spans, no deadline has passed.

A book that is looked at all the same would be refused as before, say nothing and write nothing. So whether a shard remembers
a rest, as after a restart it does not, changes no output and no entry.
"""

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.advance.concerned_books import books_of_item
from pipeline.book.inventory import Stock
from pipeline.book.sequencer import sequencer_change_s
from pipeline.book.span import PoolSpan
from pipeline.decide.gates import next_decision_s
from pipeline.decide.steady import is_steady
from pipeline.messages.base import BlockRef
from pipeline.messages.effects import Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import Policy
from pipeline.state.book_effects import effects_of
from pipeline.state.policies import policies
from pipeline.state.resting_books import RestEnd
from pipeline.state.shard import Shard
from pipeline.units import BookId, PoolId
from pipeline.venues.registry import pool_item, venues, venues_of

_OF_EVERY_BOOK = sorted(keys.families(keys.pause, keys.route, keys.resumed, keys.quarantine, keys.checked))
"""Families that seldom change, and may matter to any book."""
_HALVINGS = (0, 2, 4, 6, 8, 10, 13, 16)
"""How often a span is halved until nothing can change within it."""
_TIME, _TIME_BACK, _NUMBER = "block's time", "block's time, back", "block's number"


def end_rests(shard: Shard, block: BlockRef | None = None) -> AbstractSet[str]:
    """End the rest of each book that new writes, or a block's time or number, concern; return the keys that were written."""
    tables, rests = shard.tables, shard.rests
    rests.keep_books(policies(tables))
    written = tables.take_touched()
    if not rests.any_rests:
        return written.keys()
    if written:
        _note_writes(shard, written)
        for venue in venues(tables):
            rests.note_measures(venue.measures(tables, written.keys()))
    if block is not None:
        at_s = block.timestamp_s
        rests.note_measures({_TIME: at_s, _TIME_BACK: -at_s, _NUMBER: block.number})
    return written.keys()


def _note_writes(shard: Shard, written: Mapping[str, keys.Place]) -> None:
    """End the rest of each book that watches what was written; of an item whose venue tells whose it is, of its books alone."""
    rests = shard.rests
    watched = rests.watched_of({name for place in written.values() for name in place.names})
    if not watched:
        return
    shared, own = set[str](), defaultdict[BookId, set[str]](set)
    for key, place in written.items():
        names = watched & set(place.names)
        if not names:
            continue
        books = None if key in names else books_of_item(shard.tables, key)
        if books is None:
            shared |= names
        for book in books or ():
            own[book] |= names
    for book, names in own.items():
        rests.note_writes_of(book, names | shared)
    rests.note_writes(shared)


def begin_rest(context: BookContext, stock: Stock | None) -> None:
    """Record until when a refusal holds if nothing changes; a book with an active plan is judged at every block.

    So is one with references or feeds: a mean moves, and an answer gets too old, with time alone. One whose rest something else than a
    pool has ended stays awake for some blocks, and for twice as many if its next rest ends so too: it may well go on so.
    """
    tables, policy, rests = context.shard.tables, context.policy, context.shard.rests
    watched = _watched(context.shard, policy)
    if watched.never_rests or _acts(context):
        return
    if not rests.ended_by(policy.book).isdisjoint(watched.others):
        rests.stay_awake(policy.book)
    path = tables.need(keys.path(policy.book), BookPath)
    if path.declined_at_block is None or rests.stays_awake(policy.book):
        return
    effects = effects_of(tables, policy.book)
    now_s = context.block.timestamp_s
    times = next_decision_s(path, effects, policy, now_s), sequencer_change_s(tables, policy, now_s)
    until_s = min((each for each in times if each is not None), default=None)
    bounds: dict[str, int] = {
        _NUMBER: path.declined_at_block + policy.chain.report_every_blocks,
        _TIME_BACK: 1 - now_s,
    }
    if until_s is not None:
        bounds[_TIME] = until_s
    spans = {} if stock is None else _spans(context.shard, policy, path, stock)
    for span in spans.values():
        bounds.update(span.bounds)
    pools = tuple(item for pool, item in watched.pools if pool not in spans)
    tables.overlook(watched.own)  # judging the book has just written them
    rests.begin(policy, RestEnd(watched=(watched.others, pools), bounds=bounds))


class _Watched(NamedTuple):
    """What a book's refusal depends on."""

    never_rests: bool
    own: tuple[str, ...]
    """The book's own entries."""
    others: tuple[str, ...]
    """These, and everything else but its pools."""
    pools: tuple[tuple[PoolId, str], ...]
    """Each with its item."""


def _watched(shard: Shard, policy: Policy) -> _Watched:
    return shard.tables.derived(keys.watched(policy.book), (policy,), _collect, policy)


def _collect(policy: Policy) -> _Watched:
    own = tuple(build(policy.book) for build in (keys.path, keys.effects, keys.plan))
    pools = {pool_item(policy, pool): pool for pool in policy.all_pools()}
    named = (name for venue in venues_of(policy.chain) for name in venue.watched(policy) if name not in pools)
    never_rests = bool(policy.all_references() or policy.feeds() or policy.hedge)
    uptime = (keys.sequencer(policy.chain.sequencer.feed),) if policy.chain.sequencer else ()
    others = (*own, *_OF_EVERY_BOOK, *uptime, *named)
    return _Watched(never_rests, own, others, tuple((pool, item) for item, pool in pools.items()))


def _spans(shard: Shard, policy: Policy, path: BookPath, stock: Stock) -> Mapping[PoolId, PoolSpan]:
    """Find bounds of pools within which the decision is the same; none where that cannot be proven."""
    for halvings in _HALVINGS:
        spans = {
            pool: span
            for venue in venues_of(policy.chain)
            for pool, span in venue.spans(shard, policy, halvings).items()
        }
        if not spans:
            break
        if is_steady(policy, path, stock, spans):
            return spans
    return {}


def _acts(context: BookContext) -> bool:
    """Return whether a plan of the book may act at any block: it is open, or its allowances are not revoked yet."""
    plan = context.shard.tables.find(keys.plan(context.policy.book), Plan)
    return plan is not None and (plan.closed is None or bool(plan.allowances))
