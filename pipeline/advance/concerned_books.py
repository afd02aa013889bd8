"""Find the books that writes between two blocks may concern, so that each read costs the books that it is about."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from pipeline import keys
from pipeline.follow.named_items import naming_books
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import BookId
from pipeline.venues.registry import venues


def concerned_books(shard: Shard, written: Iterable[str]) -> AbstractSet[BookId] | None:
    """Name the books whose views may change by writes to these entries; None: any book's.

    Policies are left out: which of them are new is known without it.
    """
    found: set[BookId] = set()
    for key in written:
        if not keys.place_of(key).is_in_view or keys.policy.matches(key):
            continue
        books = _books_of(shard.tables, keys.item_of(key) if keys.route.matches(key) else key)
        if books is None:
            return None
        found.update(books)
    return found


def _books_of(tables: Tables, key: str) -> Iterable[BookId] | None:
    """Ask the entry's venue, then the policies; an entry of no venue may concern any book."""
    for venue in venues(tables):
        item = venue.item_of_entry(key)
        if item is not None:
            books = venue.books_of(tables, key)
            return (naming_books(tables, item) or None) if books is None else books
    return None


def books_of_item(tables: Tables, key: str) -> Iterable[BookId] | None:
    """Name the books of whoever has, or has had, the item that an entry belongs to; None where its venue does not tell: then it may be any."""
    for venue in venues(tables):
        if venue.item_of_entry(key) is not None:
            return venue.books_of(tables, key)
    return None


def books_beside(books: Sequence[Policy], changed: Iterable[Policy]) -> list[Policy]:
    """List the books that share an owner with any of these, and so perhaps an item."""
    owners = {policy.owner for policy in changed}
    return [policy for policy in books if policy.owner in owners] if owners else []
