"""Which pools and NFTs a shard follows, and which of them must still be read."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pipeline import keys
from pipeline.messages.entries import Route
from pipeline.messages.events import Observed
from pipeline.messages.nfts import Adopted, Gift
from pipeline.messages.policy import Policy
from pipeline.state.resumes import resumes
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.due_read import DueRead
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PositionObserved

_ROUTED = keys.route.under(keys.position.family)
_OWNERSHIP = (_ROUTED, keys.gift.family, keys.adopted.family)
"""Of which entries it follows whose an NFT is."""
_OF_A_POOL = keys.families(keys.pool, keys.tick, keys.observation, keys.pool_position)


def named_items(policy: Policy, at: UniswapV3Deployment) -> Iterator[str]:
    """List the pools of a policy, and its owner, whose NFTs are looked up. A further deployment counts where a pool is of it."""
    pools = at.pools(policy)
    for pool in pools:
        yield keys.pool(pool)
    if pools:
        yield keys.owner(at.manager, policy.owner)


def routed_positions(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> Iterator[tuple[str, Route]]:
    """Walk the NFTs of a deployment that a book counts: those of its owner, but for what is set apart."""
    yield from _routed_by_owner(tables, at).get(policy.owner, ())


def _routed_by_owner(
    tables: Tables, at: UniswapV3Deployment
) -> Mapping[Address, Sequence[tuple[str, Route]]]:
    """Sort the NFTs that books count by their owners; sorted again only after a write that changes it."""
    made_of = tables.writes(*_OWNERSHIP)
    return tables.derived(keys.routed_nfts(at.manager), made_of, lambda: _sort_by_owner(tables, at))


def _sort_by_owner(tables: Tables, at: UniswapV3Deployment) -> Mapping[Address, Sequence[tuple[str, Route]]]:
    found: dict[Address, list[tuple[str, Route]]] = {}
    for item, route in routed(tables, at):
        if route.owner is not None and is_ours(tables, item):
            found.setdefault(route.owner, []).append((item, route))
    return found


def routed(tables: Tables, at: UniswapV3Deployment) -> Iterator[tuple[str, Route]]:
    """Walk all NFTs of a deployment that a shard knows of."""
    ours = keys.position.under(at.manager) + "/"
    for key, route in tables.group(_ROUTED, Route):
        item = keys.item_of(key)
        if item.startswith(ours):
            yield item, route


def due_reads(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> Iterator[DueRead]:
    """List the NFTs of a book that were never read, or not since their pool was."""
    made_of = (policy, *tables.writes(keys.route.family, keys.resumed.family, *_OWNERSHIP))
    yield from tables.derived(
        keys.due_reads(policy.book, at.manager), made_of, lambda: tuple(_due_reads(tables, policy, at))
    )


def _due_reads(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> Iterator[DueRead]:
    pools = at.pools(policy)
    for item, route in routed_positions(tables, policy, at):
        if route.observed_at_block is None:
            yield DueRead(item=item, why="bootstrap")
        elif route.pool in pools:
            pool_route = tables.find(keys.route(keys.pool(route.pool)), Route)
            pool_at = None if pool_route is None else pool_route.observed_at_block
            if pool_at is not None and route.observed_at_block < pool_at:
                yield DueRead(item=item, why=pool_route.why if pool_route else "bootstrap")
            elif route.repaired < resumes(tables, item):
                yield DueRead(item=item, why="repair")


def checked_items(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> Iterator[str]:
    """List the pools and NFTs that are compared periodically; an NFT with the pool position that it uses."""
    pools = at.pools(policy)
    for pool in pools:
        yield keys.pool(pool)
    for item, route in routed_positions(tables, policy, at):
        if route.pool in pools:
            yield item


def is_ours(tables: Tables, item: str) -> bool:
    """Ask whether an NFT of an owner is its book's: by the operator's word, else unless somebody else sent it."""
    word = tables.find(keys.adopted(item), Adopted)
    return tables.find(keys.gift(item), Gift) is None if word is None else word.ours


def set_apart(tables: Tables, policy: Policy, at: UniswapV3Deployment) -> list[str]:
    """List the NFTs of a deployment that a book's owner has and the book does without."""
    return [
        item
        for item, route in routed(tables, at)
        if route.owner == policy.owner and not is_ours(tables, item)
    ]


def follow_read(tables: Tables, event: Observed, route: Route) -> Route:
    """Note who has an NFT and in which pool, and the NFTs that an owner has."""
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
    is_of_manager = keys.position.matches(key) or keys.owner.matches(key)
    return key if is_of_manager and keys.manager_of(key) == at.manager else None


def unfollowed(tables: Tables, at: UniswapV3Deployment) -> set[str]:
    """List the keys of a deployment's NFTs whose pool no book uses any more."""
    pools = at.followed_pools(tables)
    kept = tables.group(keys.position.under(at.manager), NftPosition)
    return {key for key, position in kept if position.pool not in pools}
