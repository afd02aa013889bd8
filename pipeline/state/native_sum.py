"""Maintain a checksum of all native balances, so that a lost change is noticed."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from pipeline.units import Address, Wei

_MODULUS = 1 << 128


class NativeSum:
    """Balances of the chain's coin by account, with a checksum over all that each account's change updates alone."""

    def __init__(self, balances: Mapping[Address, Wei] | None = None) -> None:
        """Start from known balances."""
        self.balances: dict[Address, Wei] = {}
        self._shares: dict[Address, int] = {}
        self._sum = 0
        self._checksum: str | None = None
        for account, amount_wei in (balances or {}).items():
            self.put(account, amount_wei)

    def put(self, account: Address, amount_wei: Wei | None) -> None:
        """Set a balance, or remove it (None)."""
        self._checksum = None
        self._sum -= self._shares.pop(account, 0)
        self.balances.pop(account, None)
        if amount_wei is not None:
            self.balances[account] = amount_wei
            share = self._shares[account] = _share(account, amount_wei)
            self._sum += share

    def with_changes(self, changes: Iterable[tuple[Address, Wei]]) -> "NativeSum":
        """Return a copy in which some accounts have other balances."""
        changed = NativeSum()
        changed.balances, changed._shares, changed._sum = dict(self.balances), dict(self._shares), self._sum
        for account, amount_wei in changes:
            changed.put(account, amount_wei)
        return changed

    @property
    def checksum(self) -> str:
        """Return the checksum of all balances: 32 hexadecimal digits."""
        if self._checksum is None:
            self._checksum = f"{self._sum % _MODULUS:032x}"
        return self._checksum


def _share(account: Address, amount_wei: Wei) -> int:
    return int.from_bytes(sha256(f"{account}/{amount_wei}".encode()).digest()[:16], "big")
