"""A block's receipts are checked against its header: a contradictory answer is not used."""

import itertools
from typing import Any

import msgspec
import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NodeError
from streams.node.answers import (
    BlockAnswer,
    ReceiptAnswer,
    bloom_of,
    body_of,
    check_blooms,
    header_of,
    quantity,
)
from streams.node.port import BodyScope

HASH, PARENT = "0x" + "AB" * 32, "0x" + "cd" * 32
TXS = ["0x" + "01" * 32, "0x" + "02" * 32]
EMITTER, TOPIC = "0x" + "Ee" * 20, "0x" + "77" * 32


def log(index: int, tx: int) -> dict[str, Any]:
    return {
        "address": EMITTER,
        "topics": [TOPIC],
        "data": "0xABCD",
        "logIndex": hex(index),
        "transactionHash": TXS[tx],
        "transactionIndex": hex(tx),
        "blockHash": HASH,
        "blockNumber": "0x7",
        "removed": False,
    }


def receipts() -> list[dict[str, Any]]:
    return [
        {
            "transactionHash": TXS[tx],
            "transactionIndex": hex(tx),
            "blockHash": HASH,
            "blockNumber": "0x7",
            "from": "0x" + "Aa" * 20,
            "to": None if tx else "0x" + "Bb" * 20,
            "status": "0x0" if tx else "0x1",
            "gasUsed": "0x5208",
            "effectiveGasPrice": "0x3b9aca00",
            "logs": [log(0, 0), log(1, 0)] if tx == 0 else [log(2, 1)],
        }
        for tx in range(2)
    ]


def block(**changes: Any) -> dict[str, Any]:
    bloom = 0
    for word in (EMITTER, TOPIC):
        digest = keccak(hexstr=word)
        for at in (0, 2, 4):
            bloom |= 1 << (int.from_bytes(digest[at : at + 2], "big") % 2048)
    return {
        "number": "0x7",
        "hash": HASH,
        "parentHash": PARENT,
        "timestamp": "0x64",
        "baseFeePerGas": "0x9",
        "logsBloom": f"0x{bloom:0512x}",
        "transactions": TXS,
        "miner": "0x0",
    } | changes


def read(head: dict[str, Any], answers: list[dict[str, Any]], scope: BodyScope | None = None) -> Any:
    header = header_of(msgspec.convert(head, BlockAnswer))
    told = msgspec.convert(answers, tuple[ReceiptAnswer, ...])
    body = body_of(header, told, scope)
    check_blooms(header, told)
    return body


def test_takes_what_agrees_and_gives_it_in_lower_case() -> None:
    header = header_of(msgspec.convert(block(), BlockAnswer))
    assert (header.block.number, header.block.timestamp_s, header.base_fee_wei) == (7, 100, 9)
    assert (header.block.hash, header.block.parent_hash) == (HASH.lower(), PARENT)
    body = read(block(), receipts())
    assert [(each.log_index, each.transaction_index) for each in body.logs] == [(0, 0), (1, 0), (2, 1)]
    assert body.logs[0].address == EMITTER.lower()
    assert body.logs[0].data == "0xabcd"
    assert [receipt.succeeded for receipt in body.receipts] == [True, False]
    assert [receipt.to for receipt in body.receipts] == ["0x" + "bb" * 20, None]
    assert body.receipts[0].effective_gas_price_wei == 10**9
    assert header.logs_bloom == bloom_of(body.logs)


@given(
    st.lists(st.sampled_from(("ab", "AB", "Cd", "00", "0a")).map(lambda byte: "0x" + byte * 32), max_size=5)
)
def test_a_blocks_transactions_are_given_in_lower_case(hashes: list[str]) -> None:
    header = header_of(msgspec.convert(block(transactions=hashes), BlockAnswer))
    assert header.transactions == tuple(each.lower() for each in hashes)


@pytest.mark.parametrize(
    "texts",
    [
        ["0x" + "ab" * 32 + "0x", "cd" * 32],  # digits that move from one to the other
        ["0x" + "ab" * 31 + "a", "b0x" + "cd" * 32],
        ["0x" + "ab" * 32, "xx" + "cd" * 32],
        ["0x" + "ab" * 32, "00" + "cd" * 32],
        ["", "0x" + "ab" * 32],
        ["ab" * 33],
        ["0x"],
    ],
)
def test_a_transaction_that_is_no_hash_is_refused(texts: list[str]) -> None:
    with pytest.raises(NodeError, match="is not a hash"):
        header_of(msgspec.convert(block(transactions=texts), BlockAnswer))


LIES = {
    "a receipt is missing": lambda a: a.pop(),
    "a receipt too many": lambda a: a.append(a[-1]),
    "receipts swapped": lambda a: a.reverse(),
    "a receipt of another block": lambda a: a[1].update(blockHash=PARENT),
    "a receipt of another height": lambda a: a[1].update(blockNumber="0x8"),
    "a receipt of another place": lambda a: a[1].update(transactionIndex="0x0"),
    "a receipt of another transaction": lambda a: a[1].update(transactionHash=TXS[0]),
    "a log of another block": lambda a: a[0]["logs"][1].update(blockHash=PARENT),
    "a log of another height": lambda a: a[0]["logs"][1].update(blockNumber="0x6"),
    "a log of another transaction": lambda a: a[0]["logs"][1].update(transactionHash=TXS[1]),
    "a log of another place": lambda a: a[0]["logs"][1].update(transactionIndex="0x1"),
    "logs in disorder": lambda a: a[0]["logs"].reverse(),
    "a log twice": lambda a: a[0]["logs"].append(a[0]["logs"][1]),
    "a log index twice over two receipts": lambda a: a[1]["logs"][0].update(logIndex="0x1"),
    "a log like others is missing": lambda a: a[0]["logs"].pop(0),
    "a log like others is missing before another receipt": lambda a: a[0]["logs"].pop(1),
    "logs do not begin with the first": lambda a: [
        each.update(logIndex=hex(int(each["logIndex"], 16) + 1)) for r in a for each in r["logs"]
    ],
    "the last receipt's logs are missing, like others in the block": lambda a: a[1].update(
        logs=[], logsBloom=block()["logsBloom"]
    ),
    "no logs against a full bloom": lambda a: [each.update(logs=[]) for each in a],
    "other logs than the bloom's": lambda a: [
        each.update(address="0x" + "99" * 20) for r in a for each in r["logs"]
    ],
    "a number that is none": lambda a: a[0].update(gasUsed="5208"),
    "a hash that is none": lambda a: a[0].update(transactionHash="0x01"),
}


NOTHING = BodyScope(emitters=frozenset(), senders=frozenset())


@pytest.mark.parametrize("scope", [None, NOTHING])
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_never_taken(lie: str, scope: BodyScope | None) -> None:
    answers = receipts()
    LIES[lie](answers)
    with pytest.raises(NodeError):
        read(block(), answers, scope)


def test_what_a_scope_asks_for_is_kept_as_it_is_in_the_whole() -> None:
    answers = receipts()
    answers[0]["logs"][1]["address"] = "0x" + "Cc" * 20
    answers[1]["from"] = "0x" + "Dd" * 20
    whole = read(block(logsBloom="0x0"), answers)
    emitters, senders = [{log.address} for log in whole.logs], [{each.sender} for each in whole.receipts]
    for addresses, accounts in itertools.product([set(), *emitters], [set(), *senders]):
        scope = BodyScope(emitters=frozenset(addresses), senders=frozenset(accounts))
        kept = read(block(logsBloom="0x0"), answers, scope)
        assert kept == whole.within(scope)
        assert [log for log in whole.logs if log.address in addresses] == list(kept.logs)


def test_every_log_that_could_be_missing_shows_in_the_bloom() -> None:
    """Drop one log with its own address and topic: the bloom shows it."""
    answers = receipts()
    answers[1]["logs"][0] |= {"address": "0x" + "55" * 20, "topics": ["0x" + "66" * 32]}
    bloom = 0
    for word in (EMITTER, TOPIC, "0x" + "55" * 20, "0x" + "66" * 32):
        digest = keccak(hexstr=word)
        for at in (0, 2, 4):
            bloom |= 1 << (int.from_bytes(digest[at : at + 2], "big") % 2048)
    head = block(logsBloom=hex(bloom))
    assert len(read(head, answers).logs) == 3
    answers[1]["logs"] = []
    with pytest.raises(NodeError, match="bloom"):
        read(head, answers)


@pytest.mark.parametrize("text", ["", "0x", "12", "0xzz", "-0x1", "0x 1g", "latest"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(NodeError):
        quantity(text)


def test_a_quantity_has_no_upper_bound() -> None:
    assert quantity(hex(2**256 - 1)) == 2**256 - 1
