"""List the NFTs of one deployment that a shard knows of: their owners, and which must be read.

All of it follows from routes, policies and operators' words. It is brought up to date by the keys that were written since, so
that a read costs the same whether a book has ten NFTs or ten thousand.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from pipeline import keys
from pipeline.messages.arrivals import Adopted, Gift
from pipeline.messages.entries import Route
from pipeline.messages.policy import Policy
from pipeline.state.in_key_order import InKeyOrder
from pipeline.state.resumes import resumes
from pipeline.state.tables import Tables
from pipeline.units import Address, BookId, PoolId
from pipeline.venues.due_read import DueRead
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys

_MADE_OF = (
    keys.policy.family,
    *(keys.route.under(of.family) for of in (keys.pool, keys.position)),
    *(word.under(keys.position.family) for word in (keys.resumed, keys.gift, keys.adopted)),
)


def routed_nfts(tables: Tables, at: UniswapV3Deployment) -> "RoutedNfts":
    """Return the NFTs of a deployment as the entries stand now."""
    name = own_keys.routed_nfts(at.name, at.manager)
    kept = tables.derived(name, (), RoutedNfts, tables, at)
    kept.update(tables.written(name, *_MADE_OF))
    return kept


class RoutedNfts:
    """The NFTs of a deployment, as of the last `update`."""

    def __init__(self, tables: Tables, at: UniswapV3Deployment) -> None:
        """Start without NFTs."""
        self._tables, self._at = tables, at
        self._begins = keys.position.under(at.manager) + "/"
        self._counted: dict[Address, InKeyOrder[Route]] = {}
        self._owners: dict[str, Address] = {}
        """The owner of each counted NFT."""
        self._former_owners: dict[str, frozenset[Address]] = {}
        """The former owners of NFTs that were transferred."""
        self._in_pool: dict[PoolId, dict[str, None]] = {}
        self._policies: dict[Address, dict[BookId, Policy]] = {}
        """The policies of the books by owner."""
        self._books: dict[BookId, Address] = {}
        self._due: dict[BookId, InKeyOrder[DueRead]] = {}

    def counted(self, owner: Address) -> Mapping[str, Route]:
        """Return the NFTs that an owner's book counts, by item in the items' order: all except those set apart."""
        return self._counted.get(owner, {})

    def due(self, book: BookId) -> Iterator[DueRead]:
        """List the NFTs of a book that were never read, or not since their pool was, in the items' order."""
        yield from self._due.get(book, {}).values()

    def is_due(self, item: str) -> bool:
        """Return whether an NFT is due for any book."""
        owner = self._owners.get(item)
        return owner is not None and any(
            item in self._due.get(book, {}) for book in self._policies.get(owner, ())
        )

    def books_of(self, item: str) -> list[BookId]:
        """List the books of everybody who has or had an NFT."""
        owner, former = self._owners.get(item), self._former_owners.get(item, frozenset())
        owners = former if owner is None else {owner, *former}
        return [book for each in owners for book in self._policies.get(each, ())]

    def update(self, written: Collection[str]) -> None:
        """Update what follows from these keys."""
        items: dict[str, None] = {}
        for key in written:
            if keys.policy.matches(key):
                items |= dict.fromkeys(self._take_policy(key))
        for item in map(keys.item_of, written):
            if keys.pool.matches(item):
                items |= self._in_pool.get(keys.pool_of(item), {})
            elif item.startswith(self._begins):
                items[item] = None
        for item in items:
            self._take_item(item)

    # -------------------------------------------------------------- policies
    def _take_policy(self, key: str) -> Iterable[str]:
        """Read a policy again, and list the NFTs of its owner."""
        book, policy = keys.policy.parse(key)[0], self._tables.find(key, Policy)
        former = self._books.pop(book, None)
        if former is not None:
            del self._policies[former][book], self._due[book]
        if policy is not None:
            self._books[book] = policy.owner
            self._policies.setdefault(policy.owner, {})[book] = policy
            self._due[book] = InKeyOrder()
        return () if policy is None else self._counted.get(policy.owner, ())

    # -------------------------------------------------------------- NFTs
    def _take_item(self, item: str) -> None:
        """Update an NFT's owner, and the books for which it must be read."""
        route = self._tables.find(keys.route(item), Route)
        owner = route.owner if route is not None and is_ours(self._tables, item) else None
        former = self._owners.get(item)
        if former is not None and former != owner:
            self._forget(item, former)
        if route is None or owner is None:
            return
        self._owners[item] = owner
        self._counted.setdefault(owner, InKeyOrder()).put(item, route)
        if route.pool is not None:
            self._in_pool.setdefault(route.pool, {})[item] = None
        for book, policy in self._policies.get(owner, {}).items():
            read = self._due_read(item, route, policy)
            if read is None:
                self._due[book].drop(item)
            else:
                self._due[book].put(item, read)

    def _forget(self, item: str, owner: Address) -> None:
        """Remove an NFT from an owner who no longer has it, or whose book leaves it out."""
        del self._owners[item]
        self._former_owners[item] = self._former_owners.get(item, frozenset()) | {owner}
        pool = self._counted[owner][item].pool
        self._counted[owner].drop(item)
        if pool is not None:
            self._in_pool[pool].pop(item, None)
        for book in self._policies.get(owner, ()):
            self._due[book].drop(item)

    def _due_read(self, item: str, route: Route, policy: Policy) -> DueRead | None:
        if route.observed_at_block is None:
            return DueRead(item=item, why="bootstrap")
        if route.pool is None or route.pool not in self._at.pools(policy):
            return None
        pool = self._tables.find(keys.route(keys.pool(route.pool)), Route)
        if (
            pool is not None
            and pool.observed_at_block is not None
            and route.observed_at_block < pool.observed_at_block
        ):
            return DueRead(item=item, why=pool.why)
        if route.repaired < resumes(self._tables, item):
            return DueRead(item=item, why="repair")
        return None


def is_ours(tables: Tables, item: str) -> bool:
    """Return whether an NFT of an owner belongs to its book: by the operator's request, else unless somebody else sent it."""
    word = tables.find(keys.adopted(item), Adopted)
    return tables.find(keys.gift(item), Gift) is None if word is None else word.ours
