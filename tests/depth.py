"""The number of examples of costly tests: DEPTH times that of `make test`, as the campaign `make chaos-examples` sets it."""

import itertools
import os
from collections.abc import Sequence
from typing import Any

DEPTH = int(os.environ.get("DEPTH", "1"))
_EACH = 3


def examples(usual: int) -> int:
    """Tell how many examples are drawn where `make test` draws the usual number."""
    return usual * DEPTH


def spread(*sets: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Combine one of each set with one of every other; unless deep, every third way, in rotation.

    So each member of a set of three or more still meets each pair of the others.
    """
    ways = itertools.product(*(enumerate(each) for each in sets))
    return [
        tuple(member for _, member in way)
        for way in ways
        if DEPTH > 1 or sum(number for number, _ in way) % _EACH == 0
    ]
