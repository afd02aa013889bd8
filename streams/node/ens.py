"""Resolve ENS names at one block: the registry names a name's resolver, and the resolver its address.

The registry and the name's own resolver are all that is believed. What a resolver wants fetched from a server (EIP-3668),
or would answer for names below the one that it was set for (ENSIP-10), is not resolved.
"""

import asyncio
import functools
import re
from collections.abc import Collection

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from pipeline.errors import UnreadableError
from pipeline.units import Address
from streams.node.client import Call, Client

REGISTRY = Address("0x00000000000c2e074ec69a0dfb2997ba6c7d2e1e")
"""Where ENS stands on every chain that has it."""
_NOBODY = Address("0x" + "00" * 20)
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+")
"""Such a name is its own normal form, and none of its letters passes for another one. web3 8.0 normalises no name with
pyunormalize 18."""

Resolved = Address | UnreadableError
"""What a name stands for, or why that is not known."""


async def resolve(client: Client, names: Collection[str]) -> dict[str, Resolved]:
    """Resolve names at the client's block. Raises: NodeError where the node fails."""
    if names and not await client.w3.eth.get_code(to_checksum_address(REGISTRY)):
        return dict.fromkeys(names, UnreadableError("cannot be resolved: this chain has no ENS registry"))
    resolved = await asyncio.gather(*(_resolved(client, name) for name in names))
    return dict(zip(names, resolved, strict=True))


async def _resolved(client: Client, name: str) -> Resolved:
    if _PLAIN.fullmatch(name) is None:
        return UnreadableError("is not resolved: only names of a-z, 0-9 and hyphens are")
    node = _node(name)
    registry = client.contract(REGISTRY, "ens/ENSRegistry").functions
    resolver = await _address(client, registry.resolver(node), "it has no resolver")
    if isinstance(resolver, UnreadableError):
        return resolver
    functions = client.contract(resolver, "ens/PublicResolver").functions
    return await _address(client, functions.addr(node), f"its resolver {resolver} knows no address")


def _node(name: str) -> bytes:
    """Compute a name's node by hashing its labels from the last one on (EIP-137)."""
    return functools.reduce(
        lambda node, label: keccak(node + keccak(text=label)), reversed(name.split(".")), bytes(32)
    )


async def _address(client: Client, call: Call, none: str) -> Resolved:
    (told,) = await client.ask([call])
    if isinstance(told, UnreadableError):
        return UnreadableError(f"does not resolve: {told}")
    return UnreadableError(f"does not resolve: {none}") if told[0] == _NOBODY else Address(told[0])
