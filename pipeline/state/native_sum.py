"""Maintain a checksum of all native balances, so that a lost change is noticed."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from pipeline.units import Address, Wei

_MODULUS = 1 << 128


class NativeSum:
    """Coin balances by account, and their checksum: each account's share of it is added and taken away alone."""

    def __init__(self, balances: Mapping[Address, Wei] | None = None) -> None:
        """Take over what is known."""
        self.balances: dict[Address, Wei] = {}
        self._shares: dict[Address, int] = {}
        self._sum = 0
        for account, amount_wei in (balances or {}).items():
            self.put(account, amount_wei)

    def put(self, account: Address, amount_wei: Wei | None) -> None:
        """Set or (None) forget a balance."""
        self._sum -= self._shares.pop(account, 0)
        self.balances.pop(account, None)
        if amount_wei is not None:
            self.balances[account] = amount_wei
            share = self._shares[account] = _share(account, amount_wei)
            self._sum += share

    def with_changes(self, changes: Iterable[tuple[Address, Wei]]) -> "NativeSum":
        """Copy it, with other balances of some accounts."""
        changed = NativeSum()
        changed.balances, changed._shares, changed._sum = dict(self.balances), dict(self._shares), self._sum
        for account, amount_wei in changes:
            changed.put(account, amount_wei)
        return changed

    @property
    def checksum(self) -> str:
        """Sum up all balances: 32 hexadecimal digits."""
        return f"{self._sum % _MODULUS:032x}"


def _share(account: Address, amount_wei: Wei) -> int:
    return int.from_bytes(sha256(f"{account}/{amount_wei}".encode()).digest()[:16], "big")
