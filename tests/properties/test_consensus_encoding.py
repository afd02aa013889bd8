"""Receipts and their trie are encoded like by a general RLP library and by the yellow paper's definition."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
import rlp
from chain_forms import consensus_of
from eth_utils.crypto import keccak
from hypothesis import example, given
from hypothesis import strategies as st

from streams.node.answers import ReceiptAnswer
from streams.node.proof.consensus_receipt import consensus_bytes
from streams.node.proof.hex_rlp import encoded, listed, number, string
from streams.node.proof.receipts_root import ordered_root

MAKES_LONG = 70
ZERO = "0x" + "00" * 32


def in_hex(length: int) -> st.SearchStrategy[str]:
    """Bytes of one length, in small digits or in capitals."""
    return st.binary(min_size=length, max_size=length).flatmap(_written)


def _written(value: bytes) -> st.SearchStrategy[str]:
    return st.sampled_from((f"0x{value.hex()}", f"0x{value.hex().upper()}"))


def numbers(bits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 2**bits - 1).map(hex)


LOG = st.fixed_dictionaries(
    {
        "address": in_hex(20),
        "topics": st.lists(in_hex(32), max_size=4),
        "data": st.integers(0, MAKES_LONG).flatmap(in_hex) | st.just("0x" + "ab" * 70_000),
    }
)
PLACE = {
    "transactionHash": ZERO, "transactionIndex": "0x0", "blockHash": ZERO, "blockNumber": "0x1", "logIndex": "0x0",
}  # fmt: skip
RECEIPT = st.fixed_dictionaries(
    {
        "type": st.integers(0, 0x7F).map(hex),
        "status": st.sampled_from(("0x0", "0x1", "0x01")),
        "cumulativeGasUsed": numbers(64),
        "logsBloom": in_hex(256),
        "logs": st.lists(LOG, max_size=3),
    },
    optional={"depositNonce": numbers(64), "depositReceiptVersion": numbers(2)},
)
DEPOSIT = {
    "type": "0x7e",
    "status": "0x1",
    "cumulativeGasUsed": "0x5208",
    "logsBloom": "0x" + "00" * 256,
    "logs": [],
}


def answer(told: Mapping[str, Any]) -> ReceiptAnswer:
    logs = [{**log, **PLACE} for log in told["logs"]]
    return msgspec.convert({**told, **PLACE, "from": "0x", "gasUsed": "0x0", "logs": logs}, ReceiptAnswer)


@given(RECEIPT)
@example({**DEPOSIT, "depositNonce": "0x0"})
@example({**DEPOSIT, "depositNonce": "0x7f", "depositReceiptVersion": "0x1"})
def test_a_receipt_is_encoded_as_the_library_does(told: dict[str, Any]) -> None:
    is_deposit = told["type"] == "0x7e" and "depositNonce" in told
    committed = {name: value for name, value in told.items() if is_deposit or not name.startswith("deposit")}
    assert consensus_bytes(answer(told)) == consensus_of(committed)


@given(st.binary(max_size=MAKES_LONG) | st.sampled_from((bytes(255), bytes(256), bytes(1 << 16))))
def test_bytes_are_encoded_as_the_library_does(value: bytes) -> None:
    assert encoded(string(f"0x{value.hex()}")) == rlp.encode(value)


@given(st.integers(0, 2**256 - 1) | st.integers(0, 300))
def test_a_number_is_encoded_as_the_library_does(value: int) -> None:
    assert encoded(number(hex(value))) == rlp.encode(value)


@given(st.recursive(st.binary(max_size=MAKES_LONG), lambda inner: st.lists(inner, max_size=5), max_leaves=30))
def test_lists_within_lists_are_encoded_as_the_library_does(value: Any) -> None:
    def written(item: Any) -> str:
        return string(f"0x{item.hex()}") if isinstance(item, bytes) else listed("".join(map(written, item)))

    assert encoded(written(value)) == rlp.encode(value)


@pytest.mark.parametrize("text", ["", "ab", "0Xab", "1xab", "0xa", "0xabc", " 0xab", "\\xab"])
def test_what_is_not_0x_and_whole_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not hexadecimal bytes"):
        string(text)


@pytest.mark.parametrize("text", ["0xa ", "0x a", "0xa b c", "0x\tabc", "0xab\n\n", "0xgg", "0xaé"])
def test_what_has_anything_but_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"blank|non-hexadecimal|not hexadecimal"):
        encoded(string(text))


@pytest.mark.parametrize("text", ["-0x1", "1", "0x", "0xg", "", "0x-1", " 0x1"])
def test_what_is_no_hexadecimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal number|invalid literal"):
        number(text)


@pytest.mark.parametrize("text", ["0x1_00", "0xabg", "0x1-1", "0x10 ", "0x1\n0", "0x1é0", "0xx10"])
def test_what_has_anything_but_digits_is_refused_as_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="not hexadecimal digits"):
        encoded(number(text))


@given(st.integers(0, 2**70), st.integers(0, 5))
def test_a_number_with_leading_zeros_is_encoded_without_them(value: int, zeros: int) -> None:
    assert encoded(number(f"0x{'0' * zeros}{value:X}")) == rlp.encode(value)


POOL = ("0x", "0x00", "0x01", "0x80", "0x81", "0x0180", "0x8101", "0x8180", "0x0", "0x1", "0x018", "01", "0x 01", "0x0 1", "0x01 ", " ", "x")  # fmt: skip
WELL_FORMED = 8
"""So many of them, the first."""


def test_no_two_lists_of_texts_are_encoded_alike() -> None:
    """Tell-tale pieces of encodings, put together in every way: digits must not move from one text to the next unseen."""
    found: dict[bytes, tuple[str, ...]] = {}
    for count in range(4):
        for texts in itertools.product(POOL, repeat=count):
            whole = _encoded_or(texts)
            if whole is not None:
                assert found.setdefault(whole, texts) == texts
    assert len(found) == sum(WELL_FORMED**count for count in range(4))


def _encoded_or(texts: Sequence[str]) -> bytes | None:
    try:
        return encoded(listed("".join(map(string, texts))))
    except ValueError:
        return None


# ------------------------------------------------------------------ the trie
def reference_root(values: Sequence[bytes]) -> str:
    """Build the trie as the yellow paper's appendix D defines it: as a function of the pairs of key and value alone."""
    pairs = {bytes(rlp.encode(place)): value for place, value in enumerate(values)}
    return (
        "0x" + keccak(rlp.encode(structure({_nibbles(key): value for key, value in pairs.items()}, 0))).hex()
    )


def structure(pairs: Mapping[str, bytes], depth: int) -> Any:
    if not pairs:
        return b""
    if len(pairs) == 1:
        ((path, value),) = pairs.items()
        return [_prefixed(path[depth:], 2), value]
    longest = max(length for length in range(65) if len({path[:length] for path in pairs}) == 1)
    if longest > depth:
        path = next(iter(pairs))
        return [_prefixed(path[depth:longest], 0), child(pairs, longest)]
    branches = [
        child({path: value for path, value in pairs.items() if path[depth] == digit}, depth + 1)
        for digit in "0123456789abcdef"
    ]
    return [*branches, b""]


def child(pairs: Mapping[str, bytes], depth: int) -> Any:
    node = structure(pairs, depth)
    return node if len(rlp.encode(node)) < 32 else keccak(rlp.encode(node))


def _nibbles(key: bytes) -> str:
    return key.hex()


def _prefixed(path: str, flag: int) -> bytes:
    is_odd = len(path) % 2
    return bytes.fromhex(f"{flag + is_odd}{'' if is_odd else '0'}{path}")


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=300))
@example([b"a"] * 127)
@example([b"a"] * 128)
@example([b"a"] * 129)
@example([bytes(40)] * 257)
@example([bytes(40)] * 1_000)
def test_the_root_is_that_of_the_definition(values: list[bytes]) -> None:
    assert ordered_root(values) == reference_root(values)
