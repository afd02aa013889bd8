"""A mapping that is walked in the order of its keys, as `Tables.group` walks entries."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class InKeyOrder(Mapping[str, V], Generic[V]):
    """Values by key; sorted again only where it is walked after a key has come. A key that goes leaves the order as it is."""

    def __init__(self) -> None:
        """Have nothing."""
        self._values: dict[str, V] = {}
        self._sorted = True

    def put(self, key: str, value: V) -> None:
        """Set a value."""
        self._sorted = self._sorted and key in self._values
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
        if not self._sorted:
            self._values, self._sorted = dict(sorted(self._values.items())), True
        return iter(self._values)
