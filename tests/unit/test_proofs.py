"""A node's blocks are checked against hashes, on chains whose forms are known."""

from typing import Any

import msgspec
import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BrokenAnswerError
from pipeline.units import ChainId
from streams.node.answers import BlockAnswer, ReceiptAnswer, header_of
from streams.node.proof.header_hash import header_hash
from streams.node.proof.proofs import Proofs
from streams.node.proof.receipts_root import EMPTY_ROOT, ordered_root, receipts_root

ETHEREUM, POLYGON, OTHER = ChainId(1), ChainId(137), ChainId(999_999)
NOTHING = "0x" + "00" * 32
GENESIS: dict[str, Any] = {
    "number": "0x0",
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "parentHash": NOTHING,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": EMPTY_ROOT,
    "receiptsRoot": EMPTY_ROOT,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": NOTHING,
    "nonce": "0x0000000000000042",
    "transactions": [],
}
"""Of Ethereum, as every client has it."""


def answer(fields: dict[str, Any]) -> BlockAnswer:
    return msgspec.convert(fields, BlockAnswer)


def on(chain: ChainId) -> Proofs:
    proofs = Proofs()
    proofs.are_of(chain)
    return proofs


def test_ethereums_first_header_is_that_of_its_hash() -> None:
    assert header_hash(answer(GENESIS)) == GENESIS["hash"]
    assert EMPTY_ROOT == "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    on(ETHEREUM).check_header(answer(GENESIS))


@pytest.mark.parametrize("field", sorted(set(GENESIS) - {"hash", "transactions"}))
def test_no_field_of_a_header_can_be_changed(field: str) -> None:
    was = GENESIS[field]
    changed = hex(int(was, 16) + 1) if len(was) < 18 else was[:-1] + ("1" if was[-1] != "1" else "2")
    with pytest.raises(BrokenAnswerError, match="not the header of its hash"):
        on(ETHEREUM).check_header(answer(GENESIS | {field: changed}))


def test_a_header_without_a_field_proves_nothing() -> None:
    poor = {name: value for name, value in GENESIS.items() if name != "mixHash"}
    with pytest.raises(BrokenAnswerError, match="fields are missing"):
        on(ETHEREUM).check_header(answer(poor))


def test_a_field_that_is_no_number_is_named_with_its_block() -> None:
    with pytest.raises(BrokenAnswerError, match="block 0x0"):
        on(ETHEREUM).check_header(answer(GENESIS | {"gasLimit": "many"}))


def test_on_a_chain_of_another_form_headers_are_believed_until_one_is_proven() -> None:
    proofs = on(OTHER)
    odd = answer(GENESIS | {"stateRoot": NOTHING})
    proofs.check_header(odd)
    assert proofs.headers == "no"
    proofs.check_header(answer(GENESIS))
    assert proofs.headers == "yes"
    with pytest.raises(BrokenAnswerError):
        proofs.check_header(odd)


# ------------------------------------------------------------------ receipts
def receipt(place: int, **changes: Any) -> dict[str, Any]:
    log = {"address": "0x" + "ee" * 20, "topics": [NOTHING], "data": "0xabcd"}
    told = dict.fromkeys(("transactionHash", "blockHash"), NOTHING)
    told |= {"logIndex": hex(place), "transactionIndex": hex(place), "blockNumber": "0x7"}
    return {
        "type": hex(place % 3),
        "status": "0x1",
        "gasUsed": "0x5208",
        "cumulativeGasUsed": hex(0x5208 * (place + 1)),
        "logsBloom": "0x" + "00" * 256,
        "logs": [log | told],
        "from": "0x" + "aa" * 20,
        "transactionHash": NOTHING,
        "blockHash": NOTHING,
        "transactionIndex": hex(place),
        "blockNumber": "0x7",
    } | changes


def read(receipts: list[dict[str, Any]]) -> tuple[ReceiptAnswer, ...]:
    return msgspec.convert(receipts, tuple[ReceiptAnswer, ...])


def proven(chain: ChainId) -> Proofs:
    """Proofs of a chain on which one header was proven already."""
    proofs = on(chain)
    proofs.check_header(answer(GENESIS))
    return proofs


def check(proofs: Proofs, committed: list[dict[str, Any]], told: list[dict[str, Any]], **header: Any) -> None:
    fields = GENESIS | {"number": "0x7", "receiptsRoot": receipts_root(read(committed))} | header
    proofs.check_receipts(header_of(answer(fields)), read(told))


def _without_log(told: list[dict[str, Any]]) -> None:
    told[1]["logs"] = []


LIES = {
    "a failure that succeeded": lambda told: told[1].update(status="0x0"),
    "other data": lambda told: told[1]["logs"][0].update(data="0xabce"),
    "another emitter": lambda told: told[1]["logs"][0].update(address="0x" + "ef" * 20),
    "another topic": lambda told: told[1]["logs"][0].update(topics=[GENESIS["hash"]]),
    "a topic more": lambda told: told[1]["logs"][0].update(topics=[NOTHING, NOTHING]),
    "a log left out": _without_log,
    "a log twice": lambda told: told[1].update(logs=told[1]["logs"] * 2),
    "another bloom": lambda told: told[1].update(logsBloom="0x01" + "00" * 255),
    "another type": lambda told: told[1].update(type="0x0"),
    "other sums of gas": lambda told: told[1].update(cumulativeGasUsed="0x1"),
    "a topic with a blank": lambda told: told[1]["logs"][0].update(topics=["0x 00" + "00" * 31]),
    "a topic that begins otherwise": lambda told: told[1]["logs"][0].update(topics=["1x" + "00" * 32]),
    "an emitter with a blank": lambda told: told[1]["logs"][0].update(address="0xee " + "ee" * 19),
    "an emitter that begins otherwise": lambda told: told[1]["logs"][0].update(address="ee" + "ee" * 20),
    "data with a blank": lambda told: told[1]["logs"][0].update(data="0xab cd"),
    "data that begin otherwise": lambda told: told[1]["logs"][0].update(data="\\xabcd"),
    "sums of gas below zero": lambda told: told[1].update(cumulativeGasUsed="-0x1"),
    "a type of two bytes": lambda told: told[1].update(type="0x101"),
    "a receipt left out": lambda told: told.pop(),
    "receipts swapped": lambda told: told.reverse(),
    "other gas than the sums": lambda told: told[1].update(gasUsed="0x5209"),
    "no sums of gas": lambda told: told[1].pop("cumulativeGasUsed"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("chain", [ETHEREUM, OTHER])
def test_no_receipt_can_be_changed(lie: str, chain: ChainId) -> None:
    truth, told = [receipt(place) for place in range(3)], [receipt(place) for place in range(3)]
    proofs = proven(chain)
    check(proofs, truth, told)
    assert proofs.receipts == "yes"
    LIES[lie](told)
    with pytest.raises(BrokenAnswerError, match="block 7"):
        check(proofs, truth, told)


def test_receipts_of_an_unknown_type_are_not_called_a_lie_where_the_chain_may_have_its_own_form() -> None:
    truth, told = [receipt(0), receipt(1)], [receipt(0), receipt(1, type="0xff")]
    proofs = proven(OTHER)
    check(proofs, truth, truth)
    check(proofs, truth, told)
    with pytest.raises(BrokenAnswerError):
        check(proven(ETHEREUM), truth, told)


def test_polygons_receipt_that_no_header_commits_to_is_known_by_its_hash() -> None:
    truth = [receipt(0), receipt(1)]
    name = b"matic-bor-receipt-" + (7).to_bytes(8, "big") + bytes.fromhex(GENESIS["hash"][2:])
    added = receipt(2, transactionHash="0x" + keccak(name).hex(), type="0x0")
    proofs = proven(POLYGON)
    check(proofs, truth, [*truth, added | {"cumulativeGasUsed": "0x0", "gasUsed": "0x0"}])
    assert proofs.receipts == "yes"
    with pytest.raises(BrokenAnswerError):
        check(proofs, truth, [*truth, receipt(2)])


FULL = "0x" + "ff" * 256
"""A bloom that tells of logs that no block has."""


def test_receipts_that_are_proven_by_their_root_are_held_against_no_bloom() -> None:
    told = [receipt(0, logsBloom=FULL), receipt(1)]
    check(proven(ETHEREUM), told, told, logsBloom=FULL)


@pytest.mark.parametrize("root", [{"receiptsRoot": NOTHING}, {"receiptsRoot": None}])
def test_receipts_that_nothing_proves_are_held_against_the_blooms(root: dict[str, Any]) -> None:
    told = [receipt(0), receipt(1)]
    check(proven(OTHER), told, told, **root)
    with pytest.raises(BrokenAnswerError, match="its bloom tells of logs"):
        check(proven(OTHER), told, told, logsBloom=FULL, **root)
    with pytest.raises(BrokenAnswerError, match="the bloom of receipt 1"):
        check(proven(OTHER), told, [told[0], receipt(1, logsBloom=FULL)], **root)


def test_a_block_without_receipts_has_an_empty_bloom() -> None:
    check(proven(ETHEREUM), [], [])
    with pytest.raises(BrokenAnswerError, match="its bloom tells of logs"):
        check(proven(ETHEREUM), [], [], logsBloom=FULL)


def test_polygons_added_receipt_is_held_against_its_own_bloom() -> None:
    truth = [receipt(0), receipt(1)]
    name = b"matic-bor-receipt-" + (7).to_bytes(8, "big") + bytes.fromhex(GENESIS["hash"][2:])
    added = receipt(2, transactionHash="0x" + keccak(name).hex(), cumulativeGasUsed="0x0", gasUsed="0x0")
    check(proven(POLYGON), truth, [*truth, added])
    with pytest.raises(BrokenAnswerError, match="the bloom of receipt 2"):
        check(proven(POLYGON), truth, [*truth, added | {"logsBloom": FULL}])


def test_a_receipt_of_before_byzantium_commits_to_a_state() -> None:
    old = receipt(0, root=NOTHING, type="0x0")
    del old["status"]
    other = old | {"root": GENESIS["hash"]}
    check(proven(ETHEREUM), [old], [old])
    with pytest.raises(BrokenAnswerError):
        check(proven(ETHEREUM), [old], [other])


def test_a_deposit_commits_to_its_nonce() -> None:
    deposit = receipt(0, type="0x7e", depositNonce="0x5", depositReceiptVersion="0x1")
    proofs = proven(OTHER)
    check(proofs, [deposit], [deposit])
    with pytest.raises(BrokenAnswerError):
        check(proofs, [deposit], [deposit | {"depositNonce": "0x6"}])


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=140), st.data())
def test_a_root_is_of_each_value_and_its_place(values: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    other = data.draw(st.binary(min_size=1, max_size=40).filter(lambda each: each != values[place]))
    root = ordered_root(values)
    assert ordered_root([*values[:place], other, *values[place + 1 :]]) != root
    assert ordered_root([*values, other]) != root
    assert ordered_root(values[:-1]) != root
