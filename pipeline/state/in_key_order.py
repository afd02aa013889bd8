"""A mapping that iterates in the order of its keys, as `Tables.group` does."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class InKeyOrder(Mapping[str, V], Generic[V]):
    """Values by key; sorted again only where it is walked after a key has come that is not the last.

    A key that goes leaves the order as it is.
    """

    def __init__(self) -> None:
        """Have nothing."""
        self._values: dict[str, V] = {}
        self._sorted = True

    def put(self, key: str, value: V) -> None:
        """Set a value."""
        if key not in self._values:
            self._sorted = self._sorted and (not self._values or key > next(reversed(self._values)))
        self._values[key] = value

    def drop(self, key: str) -> None:
        """Forget a value, if there is one."""
        self._values.pop(key, None)

    def __getitem__(self, key: str) -> V:
        """Look a value up. Raises: KeyError."""
        return self._values[key]

    def __len__(self) -> int:
        """Count the values."""
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        """Walk the keys in their order."""
        return iter(self.in_order())

    def in_order(self) -> Mapping[str, V]:
        """Return the values by key, in the keys' order: what it is now, not what it will be."""
        if not self._sorted:
            self._values, self._sorted = dict(sorted(self._values.items())), True
        return self._values
