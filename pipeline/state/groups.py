"""Group a shard's entries by what they are listed under."""

from collections.abc import Iterable

from pipeline.keys import group_of


def grouped(entries: Iterable[str]) -> dict[str, dict[str, None]]:
    """List the keys of entries under what `group_of` names of each; a large shard has hundreds of thousands."""
    groups: dict[str, dict[str, None]] = {}
    for key in entries:
        listed_under = group_of(key)
        listed = groups.get(listed_under)
        if listed is None:
            listed = groups[listed_under] = {}
        listed[key] = None
    return groups
