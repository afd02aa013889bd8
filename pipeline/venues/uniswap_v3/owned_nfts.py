"""List the NFTs that count for books, by owner: all of a deployment's that were read, except those set apart.

They are brought up to date by the keys that were written since, so that a read costs the same whether an owner has ten or ten thousand.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from pipeline import keys
from pipeline.state.in_key_order import InKeyOrder
from pipeline.state.tables import Tables
from pipeline.units import Address, PoolId
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.routed_nfts import is_ours


def owned_nfts(tables: Tables, manager: Address, owner: Address) -> Sequence[tuple[str, NftPosition]]:
    """List the NFTs that an owner's book counts, by item in the items' order."""
    return counted_nfts(tables, manager).of(owner)


def counted_nfts(tables: Tables, manager: Address) -> "CountedNfts":
    """Return the NFTs of a deployment as the entries stand now."""
    name = own_keys.owned_nfts(manager)
    kept = tables.derived(name, (), CountedNfts, tables, manager)
    listed_under = keys.position.under(manager), keys.gift.family, keys.adopted.family
    kept.update(tables.written(name, *listed_under))
    return kept


class CountedNfts:
    """The NFTs of a deployment by owner, as of the last `update`."""

    def __init__(self, tables: Tables, manager: Address) -> None:
        """Start without NFTs."""
        self._tables = tables
        self._begins = keys.position.under(manager) + "/"
        self._owners: dict[str, Address] = {}
        self._of: dict[Address, InKeyOrder[NftPosition]] = {}
        self._in_pool: defaultdict[PoolId, dict[str, None]] = defaultdict(dict)
        self._on_range: defaultdict[str, dict[str, None]] = defaultdict(dict)
        """The NFTs by the key of the pool position that they use or have used; an NFT never changes its pool and range."""

    def find(self, owner: Address, item: str) -> NftPosition | None:
        """Return an NFT that an owner's book counts."""
        return self._of[owner].get(item) if self._owners.get(item) == owner else None

    def named_by(self, written: Iterable[str]) -> Iterable[str]:
        """Name the NFTs whose value follows from any of these entries."""
        items: dict[str, None] = {}
        for key in written:
            if key.startswith(self._begins):
                items[key] = None
            elif keys.pool.matches(key) or own_keys.tick.matches(key):
                items |= self._in_pool.get(keys.pool_of(key), {})
            elif own_keys.pool_position.matches(key):
                items |= self._on_range.get(key, {})
            else:
                items[keys.item_of(key)] = None
        return [item for item in items if item.startswith(self._begins)]

    def on_range(self, used: str) -> Iterable[str]:
        """Name the NFTs that use a pool position, or have used it, by its key."""
        return self._on_range.get(used, ())

    def of(self, owner: Address) -> Sequence[tuple[str, NftPosition]]:
        """List an owner's NFTs, by item in the items' order."""
        owned = self._of.get(owner)
        return () if owned is None else tuple(owned.in_order().items())

    def update(self, written: Collection[str]) -> None:
        """Read the NFTs of these keys again."""
        for key in written:
            item = key if key.startswith(self._begins) else keys.item_of(key)
            if item.startswith(self._begins):
                self._take(item)

    def _take(self, item: str) -> None:
        position = self._tables.find(item, NftPosition)
        counted = position if position is not None and is_ours(self._tables, item) else None
        former = self._owners.pop(item, None)
        if former is not None and (counted is None or counted.owner != former):
            self._of[former].drop(item)
        if counted is not None:
            self._owners[item] = counted.owner
            self._in_pool[counted.pool][item] = None
            used = own_keys.pool_position(
                counted.pool, own_keys.manager_of(item), counted.tick_lower, counted.tick_upper
            )
            self._on_range[used][item] = None
            self._of.setdefault(counted.owner, InKeyOrder()).put(item, counted)
