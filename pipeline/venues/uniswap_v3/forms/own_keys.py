"""The keys of entries that only Uniswap V3 has."""

from pipeline.keys import KEPT_KEYS, Kind, kind, position
from pipeline.units import Address, BookId, PoolId, Tick

owner: Kind[Address, Address] = kind("owner", str, str)
"""Of a position manager, and whose NFTs are looked up there."""
tick: Kind[PoolId, Tick] = kind("tick", str, int)
pool_position: Kind[PoolId, Address, Tick, Tick] = kind("pool-position", str, str, int, int)
"""Of a pool: the range of one of its owners."""

held_nfts: Kind[BookId, Address] = kind("held-nfts", str, str, kept=KEPT_KEYS)
shown_nfts: Kind[BookId, Address] = kind("shown-nfts", str, str, kept=KEPT_KEYS)
nft_groups: Kind[BookId, Address] = kind("nft-groups", str, str, kept=KEPT_KEYS)
routed_nfts: Kind[str, Address] = kind("routed-nfts", str, str)
"""Of a venue, and its position manager."""
owned_nfts: Kind[Address] = kind("owned-nfts", str, kept=KEPT_KEYS)
followed_nfts: Kind[Address] = kind("followed-nfts", str)
"""Each of a position manager."""
followed_pools: Kind[str, Address] = kind("followed-pools", str, str, kept=KEPT_KEYS)
published_pools: Kind[str, Address] = kind("published-pools", str, str, kept=KEPT_KEYS)
"""Each of a venue, and its position manager."""
nft_sums: Kind[BookId, PoolId] = kind("nft-sums", str, str)
"""Of a book in a pool. These are not entries: what follows from some is remembered under them."""


def unreadable_position(manager: Address) -> str:
    """Name the item of a manager's log that does not tell its NFT."""
    return f"{position.under(manager)}/None"


def manager_of(item: str) -> Address:
    """Return the position manager in the item of a position, or of an owner."""
    return Address(item.split("/", 2)[1])
