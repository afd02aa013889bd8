"""List the items that a shard's books name and that are still to be read from the chain."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.follow.named_items import named_items, naming_books
from pipeline.messages.entries import Route
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies
from pipeline.state.resumes import resumes_at
from pipeline.state.tables import Tables
from pipeline.venues.due_read import DueRead
from pipeline.venues.registry import item_kinds, venues, venues_of

_MADE_OF = tuple(sorted(keys.families(keys.policy, keys.route, keys.resumed, keys.gift, keys.adopted)))
"""What due reads follow from."""


def wanted(tables: Tables) -> list[DueRead]:
    """List what must be read at the head, in the order in which it can be read: pools before positions."""
    found: dict[str, DueRead] = {}
    for policy in policies(tables):
        for want in _wanted_by(tables, policy):
            found.setdefault(want.item, want)
    kinds = item_kinds()
    return sorted(found.values(), key=lambda want: (kinds.index(keys.family(want.item)), want.item))


def is_wanted(tables: Tables, item: str) -> bool:
    """Return whether one item must be read at the head: whether it is in `wanted`, which is not collected for it."""
    if naming_books(tables, item):
        return _due_by_name(tables, item, keys.route(item), keys.resumed(item)) is not None
    return any(venue.is_due(tables, item) for venue in venues(tables))


def missing(tables: Tables, policy: Policy) -> Iterator[str]:
    """List what one book still waits for."""
    return (want.item for want in _wanted_by(tables, policy))


def first_missing(tables: Tables, policy: Policy) -> str | None:
    """Name the first of what one book still waits for: it decides only when there is nothing."""
    return tables.derived(
        keys.missing(policy.book),
        (policy, *tables.writes(*_MADE_OF)),
        _first_missing,
        tables,
        policy,
    )


def _first_missing(tables: Tables, policy: Policy) -> str | None:
    return next(missing(tables, policy), None)


def _named_routes(tables: Tables, policy: Policy) -> tuple[tuple[str, str, str], ...]:
    """List the items that a policy names, each with the keys of its route and of its resumes.

    They are asked for at every record, and are new with a policy only.
    """
    return tables.derived(keys.policy(policy.book), (policy,), _with_keys, policy)


def _with_keys(policy: Policy) -> tuple[tuple[str, str, str], ...]:
    return tuple((item, keys.route(item), keys.resumed(item)) for item in named_items(policy))


def _wanted_by(tables: Tables, policy: Policy) -> Iterator[DueRead]:
    for item, route_key, resumed_key in _named_routes(tables, policy):
        due = _due_by_name(tables, item, route_key, resumed_key)
        if due is not None:
            yield due
    for venue in venues_of(policy.chain):
        yield from venue.due_reads(tables, policy)


def _due_by_name(tables: Tables, item: str, route_key: str, resumed_key: str) -> DueRead | None:
    route = tables.find(route_key, Route)
    if route is None or route.observed_at_block is None:
        return DueRead(item=item, why="bootstrap")
    if route.repaired < resumes_at(tables, resumed_key):
        return DueRead(item=item, why="repair")
    return None
