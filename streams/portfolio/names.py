"""Resolve the ENS names of a file, and record what they stood for when a policy was made of it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256

from pydantic import ValidationInfo

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import AddressName
from pipeline.messages.policy import Policy
from pipeline.units import Address, PoolId
from streams.human_numbers import is_name, parse_address

Resolved = Mapping[str, Address | UnreadableError]
"""What each name stands for, or why that is not known."""
Lookup = Callable[[str], Address]
"""Gives a name's address. Raises: ValueError where there is none."""
_BYTES32 = re.compile(r"0x[0-9a-fA-F]{64}")


def read_address(text: object, info: ValidationInfo) -> Address:
    """Read an address, or a name that stands for one. Raises: ValueError."""
    written = str(text).strip()
    if not is_name(written):
        return parse_address(text)
    if info.context is None:
        raise ValueError(f"{written} is a name, and only an address may stand here")
    lookup: Lookup = info.context
    return lookup(written)


def read_pool(text: object, info: ValidationInfo) -> PoolId:
    """Read a pool's identifier: an address or a name, or 32 bytes for a pool without a contract. Raises: ValueError."""
    written = str(text).strip()
    return PoolId(written.lower()) if _BYTES32.fullmatch(written) else read_address(text, info)


class Collecting:
    """A lookup that collects the names it is asked for, and returns a placeholder for each."""

    def __init__(self) -> None:
        """Start without names."""
        self.names: set[str] = set()

    def __call__(self, name: str) -> Address:
        """Collect a name."""
        self.names.add(name)
        return Address("0x" + sha256(name.encode()).hexdigest()[:40])


def lookup_in(resolved: Resolved) -> Lookup:
    """Look names up among the resolved ones."""

    def lookup(name: str) -> Address:
        found = resolved.get(name)
        if found is None:
            raise ValueError(f"{name} is a name: a node must be named to resolve it (EVENKEEL_RPC_URL)")
        if not isinstance(found, UnreadableError):
            return found
        raise ValueError(f"{name} {found}")

    return lookup


def names_of(addresses: Iterable[Address], resolved: Resolved) -> tuple[AddressName, ...]:
    """List the names that a file has for addresses of a book, ordered by name."""
    used = set(addresses)
    return tuple(
        AddressName(name=name, address=found)
        for name, found in sorted(resolved.items())
        if not isinstance(found, UnreadableError) and found in used
    )


def moved(before: Policy, after: Policy) -> Iterator[tuple[AddressName, AddressName]]:
    """Find a book's names that stand for another address than when the book was last applied."""
    were = {each.name: each for each in before.known_names()}
    for now in after.known_names():
        if now.name in were and were[now.name].address != now.address:
            yield were[now.name], now
