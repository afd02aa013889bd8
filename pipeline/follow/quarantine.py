"""Look up which items are in quarantine, and why."""

from collections.abc import Mapping
from functools import lru_cache

from pipeline import keys
from pipeline.messages.entries import Quarantine, Route
from pipeline.state.tables import Tables
from pipeline.venues.registry import held_kinds


@lru_cache(maxsize=8)
def _groups(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Name the groups of quarantine entries of these kinds of items, and of books."""
    return tuple(
        why.under(kind) for kind in (*kinds, keys.book.family) for why in (keys.quarantine, keys.checked)
    )


_MADE_OF = (keys.quarantine.family, keys.checked.family, keys.route.family)


def quarantine(tables: Tables, item: str) -> Quarantine | None:
    """Return why an item is in quarantine; one that a check put there leaves it with the next repairing read."""
    raised = tables.find(keys.quarantine(item), Quarantine)
    if raised is not None:
        return raised
    found = tables.find(keys.checked(item), Quarantine)
    route = tables.find(keys.route(item), Route)
    if found is None or route is None:
        return found
    return None if route.repaired > found.resumed else found


def quarantined(tables: Tables) -> Mapping[str, Quarantine]:
    """Return every item in quarantine; collected again only after a write that may change it."""
    return tables.of_families(keys.QUARANTINED, _MADE_OF, _quarantined, tables)


def _quarantined(tables: Tables) -> Mapping[str, Quarantine]:
    held: dict[str, Quarantine] = {}
    for held_under in _groups(held_kinds()):
        for key, _ in tables.group(held_under, Quarantine):
            item = keys.item_of(key)
            found = quarantine(tables, item)
            if found is not None:
                held[item] = found
    return held
