"""The NFTs that books count, by owner: all of a deployment's that were read, but for what is set apart.

They are brought up to date by the keys that were written since, so that a read costs the same whether an owner has ten or ten thousand.
"""

from collections.abc import Collection, Sequence

from pipeline import keys
from pipeline.state.in_key_order import InKeyOrder
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.routed_nfts import is_ours


def owned_nfts(tables: Tables, manager: Address, owner: Address) -> Sequence[tuple[str, NftPosition]]:
    """List the NFTs that an owner's book counts, by item in the items' order."""
    name = own_keys.owned_nfts(manager)
    kept = tables.derived(name, (), lambda: _OwnedNfts(tables, manager))
    listed_under = keys.position.under(manager), keys.gift.family, keys.adopted.family
    kept.update(tables.written(name, *listed_under))
    return kept.of(owner)


class _OwnedNfts:
    """The NFTs of a deployment by owner, as the entries stood at the last `update`."""

    def __init__(self, tables: Tables, manager: Address) -> None:
        """Know of none yet."""
        self._tables = tables
        self._begins = keys.position.under(manager) + "/"
        self._owners: dict[str, Address] = {}
        self._of: dict[Address, InKeyOrder[NftPosition]] = {}

    def of(self, owner: Address) -> Sequence[tuple[str, NftPosition]]:
        owned = self._of.get(owner)
        return () if owned is None else tuple(owned.in_order().items())

    def update(self, written: Collection[str]) -> None:
        """Look again at the NFTs that these keys are of, or tell of."""
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
            self._of.setdefault(counted.owner, InKeyOrder()).put(item, counted)
