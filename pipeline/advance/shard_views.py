"""List what a shard publishes views of: pools, positions and inventories, as its state has them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.books import stock_of, why_unknown
from pipeline.book.cells import cell_of
from pipeline.book.exposures import HeldItem
from pipeline.book.feeds import answer_of
from pipeline.book.inventory import Stock
from pipeline.book.prices import find_spot
from pipeline.messages.base import BlockRef, Entry
from pipeline.messages.events import AnyEvent, BlockSeen
from pipeline.messages.policy import Policy
from pipeline.messages.prices import FeedPrice
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.units import BookId, PoolId
from pipeline.venues.port import VenueViews
from pipeline.venues.registry import published_views, venues_of


class ShownBook(msgspec.Struct, frozen=True):
    """What a shard shows of a book."""

    policy: Policy
    items: tuple["ShownItems", ...]
    """At each venue that has views."""
    stock: Stock | None
    """None where the inventory is not known."""
    basis: tuple[object, ...]
    """What is news of its inventory: see `_basis`."""
    touched: Sequence[Mapping[str, HeldItem | None]] | None = None
    """Where only these positions were measured again, venue by venue: None is one that is not shown. The others are as before."""


class Shown(msgspec.Struct):
    """What a shard showed after its last record. It follows from the entries; for resting books all but the amounts."""

    policies: tuple[Policy, ...] = ()
    pools: Mapping[str, tuple[VenueViews, Entry]] = {}
    """By item: those it publishes and has read."""
    books: dict[BookId, ShownBook] = {}
    head: BlockRef | None = None
    route_writes: tuple[int, ...] = ()
    """How often it was written which items are followed, and whose they are."""

    def by_item(self) -> Mapping[str, tuple[VenueViews, Policy, HeldItem]]:
        """List every shown position by its item."""
        return by_item(self.books[policy.book] for policy in self.policies if policy.book in self.books)


def shown(shard: Shard) -> Shown:
    """Collect what a shard shows now."""
    books = policies(shard.tables)
    return Shown(
        policies=books,
        pools=shown_pools(shard),
        books={policy.book: shown_book(shard, policy) for policy in books},
        route_writes=route_writes(shard),
    )


def shown_before(shard: Shard, event: AnyEvent) -> Shown:
    """Return what a shard shows before a record. Never raises: what cannot be collected counts as not shown.

    Publishing the views after the record then halts the shard, unless the record is an operator's `Resumed`, which empties it.
    """
    try:
        before = shard.shown if isinstance(shard.shown, Shown) else shown(shard)
        before.route_writes = route_writes(shard)
        if isinstance(event, BlockSeen) and _may_take_items(shard, event):
            before.books.update({p.book: shown_book(shard, p) for p in before.policies if p.mode == "live"})
    except MemoryError:  # of the machine, not of the shard
        raise
    except Exception:  # noqa: BLE001 - told by what follows
        before = Shown()
    before.head = shard.tables.head
    shard.shown = before
    return before


def _may_take_items(shard: Shard, event: BlockSeen) -> bool:
    """Return whether items may leave a book in a block: they are reported with their value before it."""
    if event.logs:
        for views in published_views(shard.tables):
            if views.may_depart(event):
                return True
    return False


def shown_pools(shard: Shard) -> Mapping[str, tuple[VenueViews, Entry]]:
    """Collect the pools that a shard publishes and has read, by item."""
    pools: dict[str, tuple[VenueViews, Entry]] = {}
    for views in published_views(shard.tables):
        for item, state in views.published_pools(shard).items():
            if state is not None:
                pools[item] = views, state
    return pools


def shown_book(shard: Shard, policy: Policy) -> ShownBook:
    """Collect what a shard shows of a book now."""
    stock, items = _stock(shard, policy), []
    news: list[object] = []
    for place, venue in enumerate(venues_of(policy.chain)):
        if venue.views is not None:
            of_venue = _shown_items(shard, policy, place, venue.views, stock)
            items.append(of_venue)
            news.append(of_venue.faces)
        elif stock is not None:
            news.append(stock.parts[place].items)
    if stock is None:
        return ShownBook(policy, tuple(items), None, ())
    return ShownBook(policy, tuple(items), stock, (*_basis(shard, policy), *news))


class ShownItems(NamedTuple):
    """A book's items at one venue, as its views show them."""

    views: VenueViews
    positions: dict[str, HeldItem]
    """By item: those that have or are owed anything."""
    position_faces: Sequence[object] | None
    """What of these is published as soon as it changes; None where it was not collected."""
    faces: Sequence[object]
    """The same of all items: what is news of the book's inventory."""


def _shown_items(
    shard: Shard, policy: Policy, place: int, views: VenueViews, stock: Stock | None
) -> ShownItems:
    if stock is None:
        return _show_items(views, views.shown_items(shard, policy))
    held = stock.parts[place].items
    return shard.tables.derived(keys.told(policy.book, place), (held,), _show_items, views, held)


def _show_items(views: VenueViews, held: Sequence[HeldItem]) -> ShownItems:
    faces = tuple([(each.item, *views.face(each)) for each in held])
    shown = [(each, face) for each, face in zip(held, faces, strict=True) if not each.is_empty]
    positions = {each.item: each for each, _ in shown}
    return ShownItems(views, positions, tuple([face for _, face in shown]), faces)


def touched_book(shard: Shard, former: ShownBook) -> ShownBook:
    """Collect what a shard shows of a book now; while its inventory is not known, only what may have changed.

    So taking over a position of a book, read by read, costs the same whether it has ten or ten thousand.
    """
    if former.stock is not None or why_unknown(shard, former.policy) is None:
        return shown_book(shard, former.policy)
    touched = [each.views.touched_items(shard, former.policy) for each in former.items]
    return replace(former, touched=touched)


def compare(former: ShownBook | None, shown: ShownBook | None) -> tuple[ShownBook | None, ShownBook | None]:
    """Return what of a book must be compared before and after a record: everything, or what was computed again."""
    if former is None or shown is None or shown.touched is None:
        return former, shown
    before, after = [], []
    for each, touched in zip(shown.items, shown.touched, strict=True):
        order = sorted(touched)
        known = {item: each.positions[item] for item in order if item in each.positions}
        found = {item: held for item in order if (held := touched[item]) is not None}
        before.append(each._replace(positions=known))
        after.append(each._replace(positions=found))
    return replace(former, items=tuple(before)), replace(shown, items=tuple(after))


def settled(shown: ShownBook) -> ShownBook:
    """Add what was computed again to what is shown of a book."""
    if not shown.touched:
        return shown
    for each, touched in zip(shown.items, shown.touched, strict=True):
        for item, held in touched.items():
            if held is None:
                each.positions.pop(item, None)
            else:
                each.positions[item] = held
    items = [each._replace(position_faces=None) for each in shown.items]
    return replace(shown, items=tuple(items), touched=None)


def _basis(shard: Shard, policy: Policy) -> tuple[object, ...]:
    """List what makes an inventory view new: the policy's part, the items without the amounts of liquidity, and prices.

    A pool's price is news once it is in another cell, a feed's at each answer. So whether a view is told follows from the state
    before and after a record, not from what was told before.
    """
    at = venues_of(policy.chain)
    said, pools, feeds = shard.tables.derived(keys.basis(policy.book), (policy,), _said_by, policy)
    spots = [(pool, find_spot(shard, at, pool)) for pool in pools]
    return (
        said,
        [None if spot is None else cell_of(shard.tables, pool, spot) for pool, spot in spots],
        [answer_of(shard.tables, feed) for feed in feeds],
    )


def _said_by(policy: Policy) -> tuple[tuple[object, ...], tuple[PoolId, ...], tuple[FeedPrice, ...]]:
    """List a policy's part in an inventory view, and its pools and feeds."""
    tokens = policy.tokens, policy.base, policy.quote, policy.quote_equivalents, policy.assets
    target = policy.reference_pool, policy.strategy.target_share_bps, policy.hedge
    return (*tokens, *target), tuple(policy.all_pools()), tuple(policy.value_feeds())


def route_writes(shard: Shard) -> tuple[int, ...]:
    """Count the writes to what a shard follows."""
    return shard.tables.writes(keys.route.family)


def _stock(shard: Shard, policy: Policy) -> Stock | None:
    if why_unknown(shard, policy) is not None:
        return None
    try:
        return stock_of(shard, policy)
    except MemoryError:  # of the machine, not of the book
        raise
    except Exception:  # noqa: BLE001 - the book tells why at its next block
        return None


def by_item(books: Iterable[ShownBook]) -> dict[str, tuple[VenueViews, Policy, HeldItem]]:
    """List what is shown of some books, in the order of all; an item of two books appears under the last."""
    return {
        held.item: (each.views, shown.policy, held)
        for shown in books
        for each in shown.items
        for held in each.positions.values()
    }
