"""Publish the views that a record changed by more than an amount or a small move of the price."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import cast

from pipeline import keys
from pipeline.advance.concerned_books import books_beside, concerned_books
from pipeline.advance.resting import end_rests
from pipeline.advance.shard_views import (
    Shown,
    ShownBook,
    by_item,
    compare,
    settled,
    shown_book,
    shown_pools,
    touched_book,
)
from pipeline.book.exposures import HeldItem
from pipeline.book_view import remove_book, show_book
from pipeline.messages.base import Entry, Output
from pipeline.messages.decisions import Decision, PlanMessage
from pipeline.messages.entries import Halted
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksReverted
from pipeline.messages.order_alerts import OrderEndTaken
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies, profile
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import BookId
from pipeline.venues.port import VenueViews
from pipeline.venues.registry import published_views


def changed_views(
    shard: Shard,
    event: AnyEvent,
    before: Shown,
    now: Provenance,
    said: Sequence[Output] = (),
    *,
    compare_all: bool = False,
) -> Iterator[Output]:
    """Return every view that a record has changed; `before` is what was shown until then.

    After going back all are told again: whatever was said of the blocks that went away no longer holds. Books and items are
    told again every so many blocks, for their amounts follow the price, and a book with whatever is decided about it.
    `compare_all`: what has changed is not known, because the views of this record could not be published, so every one is compared.
    """
    written = end_rests(shard)
    moved, books = shard.tables.head != before.head, policies(shard.tables)
    goes_back = moved and type(event) is BlocksReverted
    again = goes_back or (moved and _is_report(shard, event))
    decided = _decided(said)
    looked_at = _looked_at(shard, None if moved or compare_all else written) | decided
    pools = shown_pools(shard)
    yield from _pools(shard, before, pools, now, again=goes_back)
    if looked_at or again or before.policies is not books:
        gone, anew = _new_policies(before, books)
        anew |= {policy.book for policy in books} if again else looked_at - before.books.keys()
        present = {
            policy.book: shown_book(shard, policy)
            if compare_all or policy.book in anew
            else touched_book(shard, before.books[policy.book])
            for policy in (books if again else _named(shard, looked_at | anew))
        }
        former = {book: before.books[book] for book in sorted({*present, *gone}) if book in before.books}
        changed = gone | anew | _moved(former, {book: present[book] for book in present.keys() - anew})
        if changed:
            yield from _told_positions(former, present, changed, now, again=again)
        yield from _told_books(shard, former, present, now, decided, again=again)
        for book in gone:
            del before.books[book]
        before.books.update({book: settled(shown) for book, shown in present.items()})
    before.policies, before.pools = books, pools


def _looked_at(shard: Shard, written: AbstractSet[str] | None) -> set[BookId]:
    """List the books whose views may have changed: those that did not rest, and, without a block, those that writes may concern."""
    concerned = None if written is None else concerned_books(shard, written)
    if concerned is None:
        return shard.rests.take_looked_at()
    return shard.rests.take_looked_at_among(concerned)


def _new_policies(before: Shown, books: tuple[Policy, ...]) -> tuple[set[BookId], set[BookId]]:
    """Name the books that are gone, and those whose views are published in full: their policy, or that of another book of their owner, is new."""
    if before.policies is books:
        return set(), set()
    former, present = ({policy.book: policy for policy in each} for each in (before.policies, books))
    gone = before.books.keys() - present.keys()
    changed = [policy for policy in books if former.get(policy.book) is not policy]
    replaced = [policy for policy in before.policies if present.get(policy.book) is not policy]
    unshown = present.keys() - before.books.keys()
    return gone, {policy.book for policy in books_beside(books, (*changed, *replaced))} | unshown


def _decided(said: Sequence[Output]) -> set[BookId]:
    """Name the books of which something was decided: most of what a block says are its swaps, and these are left out by their type."""
    kinds = {kind for kind in set(map(type, said)) if _is_of_a_book(kind)}
    return {cast("_OfABook", each).book for each in said if type(each) in kinds} if kinds else set()


_OfABook = Decision | PlanMessage | OrderEndTaken


@cache
def _is_of_a_book(kind: type[Output]) -> bool:
    """Return whether outputs of a type tell what was decided about a book; looked up once a type."""
    return issubclass(kind, _OfABook)


def changed_views_if_possible(
    shard: Shard, event: AnyEvent, before: Shown, now: Provenance
) -> tuple[Output, ...]:
    """Return the views of a shard that has just halted; none if computing them is what failed."""
    try:
        return tuple(changed_views(shard, event, before, now, compare_all=True))
    except MemoryError:  # of the machine, not of the shard
        raise
    except Exception:  # noqa: BLE001 - the shard is halted already, and has said so
        shard.forget_looks()
        return ()


def _named(shard: Shard, books: AbstractSet[BookId]) -> list[Policy]:
    """Return the policies of some books, in the order of all."""
    found = [shard.tables.find(keys.policy(book), Policy) for book in sorted(books)]
    return [policy for policy in found if policy is not None]


def _is_report(shard: Shard, event: AnyEvent) -> bool:
    chain = profile(shard.tables)
    if chain is None or not isinstance(event, BlockSeen) or event.block.number % chain.report_every_blocks:
        return False
    return shard.tables.find(keys.HALTED, Halted) is None


def _pools(
    shard: Shard,
    before: Shown,
    present: Mapping[str, tuple[VenueViews, Entry]],
    now: Provenance,
    *,
    again: bool,
) -> Iterator[Output]:
    """A pool that another shard publishes from here on is not taken back: its view is that one's."""
    for item, (views, state) in present.items():
        if again or before.pools.get(item) != (views, state):
            yield views.show_pool(item, state, now)
    unread = before.pools.keys() - present.keys()
    if unread:
        shown = published_views(shard.tables)
        ours = {item for views in shown for item in views.published_pools(shard)}
        for item in sorted(ours & unread):
            yield before.pools[item][0].pool_removed(item, now)


def _moved(former: Mapping[BookId, ShownBook], present: Mapping[BookId, ShownBook]) -> set[BookId]:
    """Name the books with a position whose view may have changed."""
    return {book for book, shown in present.items() if _has_moved(former[book], shown)}


def _has_moved(former: ShownBook, shown: ShownBook) -> bool:
    if shown.touched is not None:
        return any(shown.touched)
    before = [each.position_faces for each in former.items]
    return before != [each.position_faces for each in shown.items] or None in before


def _told_positions(
    former: Mapping[BookId, ShownBook],
    present: Mapping[BookId, ShownBook],
    changed: AbstractSet[BookId],
    now: Provenance,
    *,
    again: bool,
) -> Iterator[Output]:
    """Return the views of positions that have changed."""
    compared = [compare(former.get(book), present.get(book)) for book in sorted(changed)]
    known = by_item(before for before, _ in compared if before is not None)
    found = by_item(after for _, after in compared if after is not None)
    for item, (views, policy, held) in found.items():
        before = known.get(item)
        if not again and before == (views, policy, held):
            continue
        if again or before is None or _face(*before) != _face(views, policy, held):
            yield views.show_item(policy, held, now)
    for item in sorted(known.keys() - found.keys()):
        yield known[item][0].item_removed(item, now)


def _face(views: VenueViews, policy: Policy, held: HeldItem) -> tuple[object, ...]:
    return (policy.book, *views.face(held))


def _told_books(
    shard: Shard,
    former: Mapping[BookId, ShownBook],
    present: Mapping[BookId, ShownBook],
    now: Provenance,
    decided: AbstractSet[BookId],
    *,
    again: bool,
) -> Iterator[Output]:
    for book, shown in present.items():
        if shown.stock is None:
            continue
        if again or book in decided or book not in former or former[book].basis != shown.basis:
            yield show_book(shard, shown.policy, shown.stock, now)
    for book in sorted(former):
        if former[book].stock is not None and (book not in present or present[book].stock is None):
            yield remove_book(book, now)
