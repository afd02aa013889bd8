"""Compute the root of a block's receipts, to which its header commits.

Source: Ethereum's yellow paper, appendices C and D; typed receipts by EIP-2718.
"""

from collections.abc import Sequence
from typing import Any, Final

import rlp
from eth_utils.crypto import keccak

from pipeline.units import Hash
from streams.node.proof.consensus_receipt import ReceiptFields, consensus_bytes

_Item = tuple[bytes, bytes]
"""A path, one nibble per byte, and a value."""
EMPTY_ROOT: Final = Hash("0x" + keccak(rlp.encode(b"")).hex())
_HASHED_FROM_BYTES = 32
"""A node of fewer bytes stands in its parent itself, not by its hash."""


def receipts_root(receipts: Sequence[ReceiptFields]) -> Hash:
    """Compute the root of a block's receipts, which are in the order of their transactions.

    Raises: ValueError where a receipt misses a field, or has one that cannot be read.
    """
    return ordered_root([consensus_bytes(receipt) for receipt in receipts])


def ordered_root(values: Sequence[bytes]) -> Hash:
    """Compute the root of the trie that has each value under the RLP of its place, from zero."""
    if not values:
        return EMPTY_ROOT
    items = sorted((_nibbles(rlp.encode(place)), value) for place, value in enumerate(values))
    return Hash("0x" + keccak(_encoded(_node(items, 0))).hex())


def _node(items: Sequence[_Item], depth: int) -> list[Any]:
    """Make the node of the items that agree in their first `depth` nibbles, sorted by path. None of them ends within another."""
    first, last = items[0][0], items[-1][0]
    if len(items) == 1:
        return [_compact(first[depth:], is_leaf=True), items[0][1]]
    shared = next(at for at in range(depth, len(first)) if first[at] != last[at])
    if shared > depth:
        return [_compact(first[depth:shared], is_leaf=False), _reference(_node(items, shared))]
    children = [[item for item in items if item[0][depth] == nibble] for nibble in range(16)]
    return [*(_reference(_node(each, depth + 1)) if each else b"" for each in children), b""]


def _reference(node: list[Any]) -> list[Any] | bytes:
    encoded = _encoded(node)
    return node if len(encoded) < _HASHED_FROM_BYTES else keccak(encoded)


def _encoded(node: list[Any]) -> bytes:
    encoded: bytes = rlp.encode(node, infer_serializer=False)
    return encoded


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _compact(nibbles: bytes, *, is_leaf: bool) -> bytes:
    """Pack a path into bytes, with a flag for a leaf and one for an odd number of nibbles."""
    flag = 2 * is_leaf + len(nibbles) % 2
    padded = (flag, *nibbles) if len(nibbles) % 2 else (flag, 0, *nibbles)
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))
