"""Index the items that a shard's policies name, so that a changed policy costs only its own items."""

from collections import defaultdict
from collections.abc import Collection, Iterator

from pipeline import keys
from pipeline.messages.policy import Policy
from pipeline.state.tables import Tables
from pipeline.units import BookId
from pipeline.venues.registry import venues_of


def named_items(policy: Policy) -> Iterator[str]:
    """List the items that a policy names, at all venues of its chain."""
    for venue in venues_of(policy.chain):
        yield from venue.named_items(policy)


def naming_books(tables: Tables, item: str) -> Collection[BookId]:
    """List the books whose policies name an item."""
    kept = tables.derived(keys.NAMED_ITEMS, (), _Named, tables)
    kept.update(tables.written(keys.NAMED_ITEMS, keys.policy.family))
    return kept.books.get(item, ())


class _Named:
    """The books by item, as the policies stood at the last `update`."""

    def __init__(self, tables: Tables) -> None:
        """Start without policies."""
        self._tables = tables
        self._items: dict[BookId, tuple[str, ...]] = {}
        self.books: defaultdict[str, dict[BookId, None]] = defaultdict(dict)

    def update(self, written: Collection[str]) -> None:
        """Read the policies of these keys again."""
        for key in written:
            (book,) = keys.policy.parse(key)
            for item in self._items.pop(book, ()):
                self._drop(item, book)
            policy = self._tables.find(key, Policy)
            if policy is not None:
                self._items[book] = tuple(named_items(policy))
                for item in self._items[book]:
                    self.books[item][book] = None

    def _drop(self, item: str, book: BookId) -> None:
        self.books[item].pop(book, None)
        if not self.books[item]:
            del self.books[item]
