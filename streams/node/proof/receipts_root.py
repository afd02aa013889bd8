"""Compute the root of a block's receipts, to which its header commits.

Source: Ethereum's yellow paper, appendices C and D; typed receipts by EIP-2718.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pipeline.units import Hash
from streams.node.proof.consensus_receipt import ReceiptFields, consensus_bytes
from streams.node.proof.hex_rlp import list_head, string_head
from streams.node.proof.keccak import keccak

_Path = tuple[bytes, int]
"""The nibbles of a value's key, one per byte, and its place among the values."""
_NOTHING: Final = b"\x80"
EMPTY_ROOT: Final = Hash("0x" + keccak(_NOTHING).hex())
_HASHED_FROM_BYTES = 32
"""A node of fewer bytes stands in its parent itself, not by its hash."""
_HASH_HEAD: Final = b"\xa0"


def receipts_root(receipts: Sequence[ReceiptFields]) -> Hash:
    """Compute the root of a block's receipts, given in the order of their transactions.

    Raises: ValueError where a receipt misses a field, or has one that cannot be read.
    """
    return ordered_root([consensus_bytes(receipt) for receipt in receipts])


def ordered_root(values: Sequence[bytes]) -> Hash:
    """Compute the root of the trie that stores each value under the RLP of its index."""
    if not values:
        return EMPTY_ROOT
    places = (*range(1, min(len(values), 0x80)), 0, *range(0x80, len(values)))  # in the order of their keys
    return Hash("0x" + keccak(_node(values, [(_path(place), place) for place in places], 0)).hex())


@lru_cache(maxsize=1 << 12)
def _path(place: int) -> bytes:
    return bytes(nibble for byte in _key(place) for nibble in (byte >> 4, byte & 15))


def _key(place: int) -> bytes:
    """Encode an index by RLP."""
    if not place:
        return _NOTHING
    digits = place.to_bytes((place.bit_length() + 7) // 8, "big")
    return digits if place < 0x80 else bytes((0x80 + len(digits),)) + digits


def _node(values: Sequence[bytes], paths: Sequence[_Path], depth: int) -> bytes:
    """Encode the trie node of sorted values whose paths share their first `depth` nibbles. No path is a prefix of another."""
    first, place = paths[0]
    if len(paths) == 1:
        return _leaf(first, depth, values[place])
    last = paths[-1][0]
    shared = next(at for at in range(depth, len(first)) if first[at] != last[at])
    if shared > depth:
        branch = _reference(_node(values, paths, shared))
        return _listed(_string(_compact(first[depth:shared], is_leaf=False)) + branch)
    children = [_NOTHING] * 17
    begin = 0
    for end in range(1, len(paths) + 1):
        nibble = paths[begin][0][depth]
        if end == len(paths) or paths[end][0][depth] != nibble:
            children[nibble] = _reference(_node(values, paths[begin:end], depth + 1))
            begin = end
    return _listed(b"".join(children))


def _leaf(path: bytes, depth: int, value: bytes) -> bytes:
    ending, head = _leaf_path(path, depth), _head_of(value)
    return b"".join((_list_head(len(ending) + len(head) + len(value)), ending, head, value))


def _reference(node: bytes) -> bytes:
    return node if len(node) < _HASHED_FROM_BYTES else _HASH_HEAD + keccak(node)


def _string(value: bytes) -> bytes:
    return _head_of(value) + value


def _head_of(value: bytes) -> bytes:
    return b"" if len(value) == 1 and value < _NOTHING else _string_head(len(value))


def _listed(items: bytes) -> bytes:
    return _list_head(len(items)) + items


@lru_cache(maxsize=1 << 12)
def _string_head(size: int) -> bytes:
    return bytes.fromhex(string_head(size))


@lru_cache(maxsize=1 << 12)
def _list_head(size: int) -> bytes:
    return bytes.fromhex(list_head(size))


@lru_cache(maxsize=1 << 12)
def _leaf_path(path: bytes, depth: int) -> bytes:
    return _string(_compact(path[depth:], is_leaf=True))


def _compact(nibbles: bytes, *, is_leaf: bool) -> bytes:
    """Pack a path into bytes, with a flag for a leaf and one for an odd number of nibbles."""
    flag = 2 * is_leaf + len(nibbles) % 2
    padded = (flag, *nibbles) if len(nibbles) % 2 else (flag, 0, *nibbles)
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))
