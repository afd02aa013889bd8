"""A mapping that iterates in the order of its keys, as `Tables.group` does."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class InKeyOrder(Mapping[str, V], Generic[V]):
    """A mapping that iterates in the order of its keys; it sorts them only on iteration, after a key came out of order.

    A key that goes leaves the order as it is.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[str, V] = {}
        self._sorted = True

    def put(self, key: str, value: V) -> None:
        """Set a value."""
        if key not in self._values:
            self._sorted = self._sorted and (not self._values or key > next(reversed(self._values)))
        self._values[key] = value

    def drop(self, key: str) -> None:
        """Remove a key, if it is there."""
        self._values.pop(key, None)

    def __getitem__(self, key: str) -> V:
        """Look a value up. Raises: KeyError."""
        return self._values[key]

    def __len__(self) -> int:
        """Count the values."""
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys in order."""
        return iter(self.in_order())

    def in_order(self) -> Mapping[str, V]:
        """Return a snapshot of the values by key, in the order of the keys."""
        if not self._sorted:
            self._values, self._sorted = dict(sorted(self._values.items())), True
        return self._values
