"""The views of a shard follow from its state: whatever a record changes of one is told with that record."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from pipeline import keys
from pipeline.advance.books import stock_of, why_undated, why_unknown
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
    positions: Mapping[tuple[int, BookId], tuple[VenueViews, Policy, Sequence[HeldItem]]]
    """By venue and book: its positions that have or are owed anything."""
    books: Mapping[BookId, tuple[Policy, Stock]]
    """Those whose inventory is known."""

    route_writes: tuple[int, ...]
    """How often it was written which items are followed, and whose they are."""

    def by_item(self) -> Mapping[str, tuple[VenueViews, Policy, HeldItem]]:
        """List every shown position by its item."""
        return {
            held.item: (views, policy, held)
            for views, policy, items in self.positions.values()
            for held in items
        }


def shown(shard: Shard) -> Shown:
    """Collect what a shard shows now; collected again only after a write that views are made of, or once a price is too old."""
    undated = [policy.book for policy in policies(shard.tables) if why_undated(shard, policy) is not None]
    return shard.tables.derived("views", (shard.tables.seen_writes, *undated), lambda: _collect(shard))


def shown_before(shard: Shard) -> Shown:
    """Collect what a shard shows before a record. Never raises: what cannot be collected is taken as not shown.

    Publishing the views after the record then halts the shard, unless the record is an operator's `Resumed`, which empties it.
    """
    try:
        return shown(shard)
    except MemoryError:  # of the machine, not of the shard
        raise
    except Exception:  # noqa: BLE001 - told by what follows
        return Shown(pools={}, positions={}, books={}, route_writes=())


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
            (place, policy.book): (views, policy, views.shown_items(shard, policy))
            for policy in books
            for place, views in enumerate(published)
        },
        books={policy.book: (policy, stock) for policy in books for stock in _stock(shard, policy)},
        route_writes=route_writes(shard),
    )


def route_writes(shard: Shard) -> tuple[int, ...]:
    """Count the writes to what a shard follows."""
    return shard.tables.writes(keys.route.family)


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

    After going back all are told again: whatever was said of the blocks that went away no longer holds. Items are
    told again every so many blocks, for their amounts follow the price.
    """
    after, moved = shown(shard), shard.tables.head != head
    reverted = moved and isinstance(event, BlocksReverted)
    reports = moved and _is_report(shard, event)
    if after is before and not reverted and not reports:
        return
    yield from _pools(shard, before, after, now, again=reverted)
    yield from _told_positions(before, after, now, again=reverted or reports)
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
    """Tell positions whose face is new; under the same policies, books in which nothing is new are not walked."""
    everything = again or not _of_same_policies(before, after)
    books = {*before.positions, *after.positions} if everything else _changed(before, after)
    former, present = _by_item(before, books), _by_item(after, books)
    for item, (views, policy, held) in present.items():
        known = former.get(item)
        if again or known is None or _face(*known) != _face(views, policy, held):
            yield views.show_item(policy, held, now)
    for item in sorted(former.keys() - present.keys()):
        yield former[item][0].item_removed(item, now)


def _of_same_policies(before: Shown, after: Shown) -> bool:
    if before.positions.keys() != after.positions.keys():
        return False
    return all(before.positions[book][1] is policy for book, (_, policy, _) in after.positions.items())


def _changed(before: Shown, after: Shown) -> set[tuple[int, BookId]]:
    return {book for book, told in after.positions.items() if before.positions[book][2] is not told[2]}


def _by_item(
    shown: Shown, books: Collection[tuple[int, BookId]]
) -> dict[str, tuple[VenueViews, Policy, HeldItem]]:
    """List what is shown of some books, in the order of all; an item of two books is the last one's."""
    return {
        held.item: (views, policy, held)
        for book, (views, policy, items) in shown.positions.items()
        if book in books
        for held in items
    }


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
