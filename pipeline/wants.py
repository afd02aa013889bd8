"""What a shard's books name, what of it must still be read, and what is in quarantine."""

from collections.abc import Iterator

import msgspec

from pipeline import keys
from pipeline.messages.entries import Quarantine, Resume, Route, Why
from pipeline.messages.nfts import Adopted, Gift
from pipeline.messages.policy import ChainProfile, Policy
from pipeline.state import Tables
from pipeline.units import Address


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A read that the shard needs at its head."""

    item: str
    why: Why


_READ_ORDER = (keys.pool.family, keys.owner.family, keys.position.family, keys.balance.family)
"""A position can be read once its pool is."""
_QUARANTINES = tuple(
    why.under(kind.family)
    for kind in (keys.pool, keys.position, keys.balance, keys.book)
    for why in (keys.quarantine, keys.checked)
)


# ------------------------------------------------------------------ policies
def policies(tables: Tables) -> tuple[Policy, ...]:
    """List the shard's books by id."""
    return tuple(policy for _, policy in tables.group(keys.policy.family, Policy))


def profile(tables: Tables) -> ChainProfile | None:
    """Find what the deployment's books agree on; None on a shard without books."""
    return next((policy.chain for policy in policies(tables)), None)


def followed_pools(tables: Tables) -> frozenset[Address]:
    """Collect the pools that any book of the shard names."""
    return frozenset(pool for policy in policies(tables) for pool in policy.all_pools())


# ------------------------------------------------------------------ wanted
def wanted(tables: Tables) -> list[Wanted]:
    """List what must be read at the head, in the order in which it can be read: pools before positions."""
    found: dict[str, Wanted] = {}
    for policy in policies(tables):
        for want in _wanted_by(tables, policy):
            found.setdefault(want.item, want)
    return sorted(found.values(), key=lambda want: (_READ_ORDER.index(keys.family(want.item)), want.item))


def missing(tables: Tables, policy: Policy) -> list[str]:
    """List what one book still waits for: it decides only when nothing is."""
    return [want.item for want in _wanted_by(tables, policy)]


def _wanted_by(tables: Tables, policy: Policy) -> Iterator[Wanted]:
    for item in named_items(policy):
        route = tables.find(keys.route(item), Route)
        if route is None or route.observed_at_block is None:
            yield Wanted(item=item, why="bootstrap")
        elif _awaits_repair(tables, item):
            yield Wanted(item=item, why="repair")
    for key, route in tables.group(keys.route.under(keys.position.family), Route):
        if route.owner == policy.owner and is_ours(tables, item := keys.item_of(key)):
            yield from _wanted_position(tables, policy, item, route)


def named_items(policy: Policy) -> Iterator[str]:
    for pool in policy.all_pools():
        yield keys.pool(pool)
    yield keys.owner(policy.owner)
    for account in policy.accounts:
        for token in policy.tokens:
            yield keys.balance(account, token.address)


def _wanted_position(tables: Tables, policy: Policy, item: str, route: Route) -> Iterator[Wanted]:
    """Yield a position that was never read, or not since its pool was."""
    if route.observed_at_block is None:
        yield Wanted(item=item, why="bootstrap")
    elif route.pool in policy.all_pools():
        pool_route = tables.find(keys.route(keys.pool(route.pool)), Route)
        pool_at = None if pool_route is None else pool_route.observed_at_block
        if pool_at is not None and route.observed_at_block < pool_at:
            yield Wanted(item=item, why=pool_route.why if pool_route else "bootstrap")
        elif _awaits_repair(tables, item):
            yield Wanted(item=item, why="repair")


def is_ours(tables: Tables, item: str) -> bool:
    """Ask whether an NFT of an owner is its book's: by the operator's word, else unless somebody else sent it."""
    word = tables.find(keys.adopted(item), Adopted)
    return tables.find(keys.gift(item), Gift) is None if word is None else word.ours


def set_apart(tables: Tables, policy: Policy) -> list[str]:
    """List the NFTs that a book's owner has and the book does without."""
    return [
        item
        for key, route in tables.group(keys.route.under(keys.position.family), Route)
        if route.owner == policy.owner and not is_ours(tables, item := keys.item_of(key))
    ]


def quarantine(tables: Tables, item: str) -> Quarantine | None:
    """Look up why an item is not carried on; a check's finding ends with a repair read after it."""
    raised = tables.find(keys.quarantine(item), Quarantine)
    if raised is not None:
        return raised
    found = tables.find(keys.checked(item), Quarantine)
    route = tables.find(keys.route(item), Route)
    if found is None or route is None:
        return found
    return None if route.repaired > found.resumed else found


def quarantined(tables: Tables) -> dict[str, Quarantine]:
    """Collect every item that is not carried on."""
    held: dict[str, Quarantine] = {}
    for held_under in _QUARANTINES:
        for key, _ in tables.group(held_under, Quarantine):
            item = keys.item_of(key)
            found = quarantine(tables, item)
            if found is not None:
                held[item] = found
    return held


def _awaits_repair(tables: Tables, item: str) -> bool:
    """Ask whether an operator's word has not been followed by a read yet, on the branch as it is."""
    route = tables.find(keys.route(item), Route)
    return route is not None and route.repaired < resumes(tables, item)


def resumes(tables: Tables, item: str) -> int:
    """Count the operators' words on an item. They follow the log: no reorg takes them back."""
    resume = tables.find(keys.resumed(item), Resume)
    return 0 if resume is None else resume.count
