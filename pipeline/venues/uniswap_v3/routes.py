"""Follow which pools and NFTs a shard needs, and which of them are still to be read."""

from collections.abc import Iterable, Iterator

import msgspec

from pipeline import keys
from pipeline.messages.entries import Route
from pipeline.messages.events import Observed
from pipeline.messages.policy import Policy
from pipeline.state.tables import Tables
from pipeline.units import BookId
from pipeline.venues.due_read import DueRead
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PositionObserved
from pipeline.venues.uniswap_v3.owned_nfts import counted_nfts
from pipeline.venues.uniswap_v3.routed_nfts import is_ours, routed_nfts

ROUTED = keys.route.under(keys.position.family)
"""What the routes of NFTs are listed under."""
_OF_A_POOL = keys.families(keys.pool, own_keys.tick, keys.observation, own_keys.pool_position)


def named_items(policy: Policy, at: UniswapV3Deployment) -> Iterator[str]:
    """List the pools of a policy, and its owner, whose NFTs are looked up. A further deployment counts where it has one of the pools."""
    pools = at.pools(policy)
    for pool in pools:
        yield keys.pool(pool)
    if pools:
        yield own_keys.owner(at.manager, policy.owner)


def routed(tables: Tables, at: UniswapV3Deployment) -> Iterator[tuple[str, Route]]:
    """Iterate over all NFTs of a deployment that a shard knows."""
    ours = keys.position.under(at.manager) + "/"
    for key, route in tables.group(ROUTED, Route):
        item = keys.item_of(key)
        if item.startswith(ours):
            yield item, route


def due_reads(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> Iterator[DueRead]:
    """List the NFTs of a book that were never read, or not since their pool was."""
    return routed_nfts(tables, at).due(policy.book)


def is_due(tables: Tables, item: str, at: UniswapV3Deployment) -> bool:
    """Return whether an NFT is among the due reads of any book."""
    return routed_nfts(tables, at).is_due(item)


def checked_items(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> Iterator[str]:
    """List the pools and NFTs that are compared periodically; an NFT with the pool position that it uses."""
    pools = at.pools(policy)
    for pool in pools:
        yield keys.pool(pool)
    for item, route in routed_nfts(tables, at).counted(policy.owner).items():
        if route.pool in pools:
            yield item


def set_apart(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> list[str]:
    """List the NFTs of a deployment that a book's owner has and the book leaves out."""
    return [
        item
        for item, route in routed(tables, at)
        if route.owner == policy.owner and not is_ours(tables, item)
    ]


def follow_read(tables: Tables, event: Observed, route: Route) -> Route:
    """Record who has an NFT and in which pool, and the NFTs that an owner has."""
    match event:
        case PositionObserved():
            return msgspec.structs.replace(route, pool=event.position.pool, owner=event.position.owner)
        case OwnerObserved():
            for token_id in event.token_ids:
                key = keys.route(keys.position(event.manager, token_id))
                known = tables.find(key, Route) or Route()
                tables.put(key, msgspec.structs.replace(known, owner=event.owner))
        case _:
            pass
    return route


def item_of_entry(key: str, at: UniswapV3Deployment) -> str | None:
    """Name the pool or NFT that an entry belongs to: `pool/P` for `tick/P/t`. A pool's entries do not tell its deployment."""
    if keys.family(key) in _OF_A_POOL:
        return keys.pool(keys.pool_of(key))
    is_of_manager = keys.position.matches(key) or own_keys.owner.matches(key)
    return key if is_of_manager and own_keys.manager_of(key) == at.manager else None


def books_of(tables: Tables, key: str, at: UniswapV3Deployment) -> Iterable[BookId] | None:
    """Name the books of an NFT's owners, and of those of the NFTs on a range; None for what belongs to a whole pool."""
    nfts = routed_nfts(tables, at)
    if keys.position.matches(key):
        return nfts.books_of(key)
    if own_keys.pool_position.matches(key) and own_keys.pool_position.parse(key)[1] == at.manager:
        on_range = counted_nfts(tables, at.manager).on_range(key)
        return [book for item in on_range for book in nfts.books_of(item)]
    return None


def unfollowed(tables: Tables, at: UniswapV3Deployment) -> set[str]:
    """List the keys of a deployment's NFTs whose pool no book uses any more."""
    pools = at.followed_pools(tables)
    kept = tables.group(keys.position.under(at.manager), NftPosition)
    return {key for key, position in kept if position.pool not in pools}
