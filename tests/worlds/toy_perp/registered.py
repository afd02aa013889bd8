"""The toy future in the three registries of kinds of venues, which is all that a deployment needs to know it."""

from collections.abc import Iterator
from typing import Any

from pipeline.venues.registry import KINDS
from streams.node.venues.registry import HALVES
from streams.submit.venues import registry as signer_registry
from worlds.toy_perp import half, signer
from worlds.toy_perp.venue import KIND


def lines() -> Iterator[tuple[dict[str, Any], str, Any]]:
    """List each registry with the name and the entry under it."""
    yield KINDS, half.KIND, KIND
    yield HALVES, half.KIND, half.HALF
    yield signer_registry.HALVES, half.KIND, signer.SIGNER_HALF


def register() -> None:
    for registry, name, entry in lines():
        registry[name] = entry
