"""The views of a shard follow from its state: whatever a record changes of one is told with that record."""

from collections.abc import Iterator, Mapping

import msgspec

from pipeline import keys
from pipeline.advance.books import stock_of, why_unknown
from pipeline.book.exposures import HeldItem
from pipeline.book.inventory import Stock
from pipeline.messages.base import BlockRef, Entry, Output
from pipeline.messages.entries import Halted
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksReverted
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies, profile
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import BookId
from pipeline.venues.port import VenueViews
from pipeline.venues.registry import venues
from pipeline.views import book_fields, remove_book, show_book


class Shown(msgspec.Struct, frozen=True):
    """What a shard shows at one moment; it follows from the entries alone."""

    pools: Mapping[str, tuple[VenueViews, Entry]]
    """By item: those it publishes and has read."""
    positions: Mapping[str, tuple[VenueViews, Policy, HeldItem]]
    """By item: each position of a book that has or is owed anything."""
    books: Mapping[BookId, tuple[Policy, Stock]]
    """Those whose inventory is known."""


def shown(shard: Shard) -> Shown:
    """Collect what a shard shows now; made anew only where something that views are made of was written."""
    return shard.tables.derived("views", (shard.tables.seen_writes,), lambda: _collect(shard))


def shown_before(shard: Shard) -> Shown:
    """Collect what a shard shows before a record. Never raises: what cannot be collected is taken as not shown.

    Publishing the views after the record then halts the shard, unless the record is an operator's `Resumed`, which empties it.
    """
    try:
        return shown(shard)
    except MemoryError:  # of the machine, not of the shard
        raise
    except Exception:  # noqa: BLE001 - told by what follows
        return Shown(pools={}, positions={}, books={})


def _collect(shard: Shard) -> Shown:
    books, published = policies(shard.tables), _published(shard)
    return Shown(
        pools={
            item: (views, state)
            for views in published
            for item, state in views.published_pools(shard).items()
            if state is not None
        },
        positions={
            held.item: (views, policy, held)
            for policy in books
            for views in published
            for held in views.shown_items(shard, policy)
        },
        books={policy.book: (policy, stock) for policy in books for stock in _stock(shard, policy)},
    )


def _published(shard: Shard) -> list[VenueViews]:
    """List what is published of venues beside sums of books."""
    return [venue.views for venue in venues(shard.tables) if venue.views is not None]


def _stock(shard: Shard, policy: Policy) -> Iterator[Stock]:
    if why_unknown(shard, policy) is not None:
        return
    try:
        yield stock_of(shard, policy)
    except MemoryError:  # of the machine, not of the book
        raise
    except Exception:  # noqa: BLE001 - the book tells why at its next block
        return


# ------------------------------------------------------------------ what is told of it
def tell_views(
    shard: Shard, event: AnyEvent, before: Shown, head: BlockRef | None, now: Provenance
) -> Iterator[Output]:
    """Tell every view that a record changed, of which `before` and `head` were the present until then.

    After going back all are told again: whatever was said of the blocks that went away no longer holds. NFTs are
    told again every so many blocks, for their amounts follow the price.
    """
    after, moved = shown(shard), shard.tables.head != head
    reverted = moved and isinstance(event, BlocksReverted)
    if after is before and not moved:
        return
    yield from _pools(shard, before, after, now, again=reverted)
    yield from _told_positions(before, after, now, again=reverted or (moved and _is_report(shard, event)))
    yield from _told_books(before, after, now, again=reverted)


def tell_views_if_possible(
    shard: Shard, event: AnyEvent, before: Shown, head: BlockRef | None, now: Provenance
) -> tuple[Output, ...]:
    """Tell the views of a shard that has just been halted; none where they are what cannot be told."""
    try:
        return tuple(tell_views(shard, event, before, head, now))
    except MemoryError:  # of the machine, not of the shard
        raise
    except Exception:  # noqa: BLE001 - the shard is halted already, and has said so
        return ()


def _is_report(shard: Shard, event: AnyEvent) -> bool:
    chain = profile(shard.tables)
    halted = shard.tables.find(keys.HALTED, Halted) is not None
    if chain is None or halted or not isinstance(event, BlockSeen):
        return False
    return event.block.number % chain.report_every_blocks == 0


def _pools(shard: Shard, before: Shown, after: Shown, now: Provenance, *, again: bool) -> Iterator[Output]:
    """A pool that another shard publishes from here on is not taken back: its view is that one's."""
    for item, (views, state) in after.pools.items():
        if again or before.pools.get(item) != (views, state):
            yield views.show_pool(item, state, now)
    ours = {item for views in _published(shard) for item in views.published_pools(shard)}
    for item in sorted(ours & (before.pools.keys() - after.pools.keys())):
        yield before.pools[item][0].pool_removed(item, now)


def _told_positions(before: Shown, after: Shown, now: Provenance, *, again: bool) -> Iterator[Output]:
    for item, (views, policy, held) in after.positions.items():
        former = before.positions.get(item)
        if again or former is None or _face(*former) != _face(views, policy, held):
            yield views.show_item(policy, held, now)
    for item in sorted(before.positions.keys() - after.positions.keys()):
        yield before.positions[item][0].item_removed(item, now)


def _face(views: VenueViews, policy: Policy, held: HeldItem) -> tuple[object, ...]:
    return (policy.book, *views.face(held))


def _told_books(before: Shown, after: Shown, now: Provenance, *, again: bool) -> Iterator[Output]:
    for book, (policy, stock) in after.books.items():
        former = before.books.get(book)
        if again or former is None or _differs(former, policy, stock):
            yield show_book(policy, stock, now)
    for book in sorted(before.books.keys() - after.books.keys()):
        yield remove_book(book, now)


def _differs(former: tuple[Policy, Stock], policy: Policy, stock: Stock) -> bool:
    """Ask whether a book's view says anything else; the same conclusion under another policy is not news."""
    if former[0] is policy and former[1] is stock:
        return False
    return book_fields(*former) != book_fields(policy, stock)
