"""Group a shard's entries by what they are listed under."""

from collections.abc import Mapping
from typing import TypeVar

from pipeline.keys import group_of

V = TypeVar("V")


def grouped(entries: Mapping[str, V]) -> dict[str, dict[str, V]]:
    """List entries under what `group_of` names of each; a large shard has hundreds of thousands."""
    groups: dict[str, dict[str, V]] = {}
    for key, value in entries.items():
        listed_under = group_of(key)
        listed = groups.get(listed_under)
        if listed is None:
            listed = groups[listed_under] = {}
        listed[key] = value
    return groups
