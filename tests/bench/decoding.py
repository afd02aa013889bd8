"""Decoding from a node's JSON to facts, compared with web3: the same logs with equal results."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from builders import POOL, ToyChain, topic
from rows import Row
from turns import by_turns
from web3 import Web3
from web3.providers.base import BaseProvider

from contracts_abi import load_abi
from pipeline.messages.base import RawLog
from pipeline.units import Address, Hash, LogIndex, Wei
from pipeline.venues.uniswap_v3 import decode_pool_log
from pipeline.venues.uniswap_v3.forms.facts import Swapped
from pipeline.venues.uniswap_v3.topics import SWAP_TOPIC
from streams.node.answers import LogAnswer, ReceiptAnswer, bloom_of, body_of, quantity
from streams.node.port import BodyScope, Header
from streams.node.proof.proofs import Proofs
from streams.node.proof.receipts_root import receipts_root

BLOCKS, SWAPS = 10, 100
POOL_ABI: Any = [{"anonymous": False, **entry} for entry in load_abi("uniswap-v3", "UniswapV3Pool")]
_SCOPE = BodyScope(emitters=frozenset({POOL}), senders=frozenset())
"""The watcher of a book in this pool keeps nothing else of a block, once all of it is checked."""
_RECEIPTS = msgspec.json.Decoder(tuple[ReceiptAnswer, ...])
_LOGS = msgspec.json.Decoder(tuple[LogAnswer, ...])


class Answers(BaseProvider):
    """Answers every question with the bytes at hand, as a node would."""

    payload = b""

    def make_request(self, method: Any, params: Any) -> Any:
        del method, params
        return {"jsonrpc": "2.0", "id": 1, "result": json.loads(self.payload)}


def blocks() -> list[tuple[Header, bytes, bytes]]:
    """Make blocks of swaps: header, receipts and logs as a node gives them. Each swap is a transaction that moves two tokens."""
    chain, made = ToyChain(7), []
    for _ in range(BLOCKS):
        chain.mine(0)
        for number in range(SWAPS):
            chain.swap(10**15 + number, down=(number + chain.head.number) % 2 == 0)
        logs = [_grouped(log) for log in chain.logs]
        receipts = [_receipt(chain, logs[at : at + 3]) for at in range(0, len(logs), 3)]
        header = Header(
            block=chain.head,
            base_fee_wei=Wei(1),
            transactions=tuple(each["transactionHash"] for each in receipts),
            logs_bloom=bloom_of(logs),
            receipts_root=receipts_root(msgspec.convert(receipts, tuple[ReceiptAnswer, ...])),
        )
        swaps = [_answer(chain, log) for log in logs if log.topics[0] == SWAP_TOPIC]
        made.append((header, msgspec.json.encode(receipts), msgspec.json.encode(swaps)))
    return made


def _grouped(log: RawLog) -> RawLog:
    place = log.log_index // 3
    return msgspec.structs.replace(log, transaction_hash=Hash(topic(place)), transaction_index=place)


def _answer(chain: ToyChain, log: RawLog) -> dict[str, Any]:
    return {
        "address": log.address,
        "topics": list(log.topics),
        "data": log.data,
        "logIndex": hex(log.log_index),
        "transactionHash": log.transaction_hash,
        "transactionIndex": hex(log.transaction_index),
        "blockHash": chain.head.hash,
        "blockNumber": hex(chain.head.number),
        "removed": False,
    }


def _receipt(chain: ToyChain, logs: Sequence[RawLog]) -> dict[str, Any]:
    return {
        "transactionHash": logs[0].transaction_hash,
        "transactionIndex": hex(logs[0].transaction_index),
        "blockHash": chain.head.hash,
        "blockNumber": hex(chain.head.number),
        "from": logs[0].address,
        "to": POOL,
        "gasUsed": "0x5208",
        "cumulativeGasUsed": hex(0x5208 * (1 + logs[0].transaction_index)),
        "status": "0x1",
        "effectiveGasPrice": "0x1",
        "logsBloom": f"0x{bloom_of(logs):0512x}",
        "logs": [_answer(chain, log) for log in logs],
        "type": "0x2",
    }


# ------------------------------------------------------------------ the ways
def facts_of_receipts(header: Header, receipts: bytes) -> list[Any]:
    """Read a block as the watcher and the worker do: its receipts are proven, every log of the pool becomes a fact."""
    answers = _RECEIPTS.decode(receipts)
    facts = _facts_of(header, answers)
    proofs = Proofs()
    proofs.check_receipts(header, answers)
    assert proofs.receipts == "yes"
    return facts


def facts_unproven(header: Header, receipts: bytes) -> list[Any]:
    """Read a block as the product never does: held against its header's places alone, not against its root."""
    return _facts_of(header, _RECEIPTS.decode(receipts))


def _facts_of(header: Header, answers: Sequence[ReceiptAnswer]) -> list[Any]:
    return [decode_pool_log(log) for log in body_of(header, answers, _SCOPE).logs]


def facts_of_logs(logs: bytes) -> list[Any]:
    """Read `eth_getLogs` with the types of the product, which itself does not ask it."""
    return [decode_pool_log(_raw(log)) for log in _LOGS.decode(logs)]


def _raw(log: LogAnswer) -> RawLog:
    return RawLog(
        address=Address(log.address.lower()),
        topics=tuple([each.lower() for each in log.topics]),
        data=log.data.lower(),
        log_index=LogIndex(quantity(log.log_index)),
        transaction_hash=Hash(log.transaction_hash.lower()),
        transaction_index=quantity(log.transaction_index),
    )


def by_web3() -> Callable[[bytes], list[Any]]:
    """Make web3's way: `get_logs`, then `process_log` of each."""
    provider = Answers()
    w3 = Web3(provider)
    contract = w3.eth.contract(address=Web3.to_checksum_address(POOL), abi=POOL_ABI)

    def run(payload: bytes) -> list[Any]:
        provider.payload = payload
        return [contract.events.Swap().process_log(log) for log in w3.eth.get_logs({})]

    return run


def receipts_by_web3() -> Callable[[bytes], list[Any]]:
    """Make web3's way from the very receipts: `get_block_receipts`, then `process_log` of the pool's swaps. It proves nothing."""
    provider = Answers()
    w3 = Web3(provider)
    address = Web3.to_checksum_address(POOL)
    contract = w3.eth.contract(address=address, abi=POOL_ABI)
    topic0 = bytes.fromhex(SWAP_TOPIC[2:])

    def run(payload: bytes) -> list[Any]:
        provider.payload = payload
        logs = [log for receipt in w3.eth.get_block_receipts(1) for log in receipt["logs"]]
        pools = [log for log in logs if log["address"] == address and log["topics"][0] == topic0]
        return [contract.events.Swap().process_log(log) for log in pools]

    return run


def _said(fact: Any) -> tuple[Any, ...]:
    assert isinstance(fact, Swapped)
    ends = Web3.to_checksum_address(fact.sender), Web3.to_checksum_address(fact.recipient)
    return (*ends, fact.amount0_delta, fact.amount1_delta, fact.sqrt_price_x96, fact.liquidity, fact.tick)


def _said_by_web3(event: Any) -> tuple[Any, ...]:
    names = ("sender", "recipient", "amount0", "amount1", "sqrtPriceX96", "liquidity", "tick")
    return tuple(event["args"][name] for name in names)


def rows(rounds: int) -> list[Row]:
    """Measure the ways per swap."""
    made, web3, web3_receipts = blocks(), by_web3(), receipts_by_web3()
    for header, receipts, logs in made:
        told = [_said(fact) for fact in facts_of_logs(logs)]
        assert told == [_said(fact) for fact in facts_of_receipts(header, receipts)]
        assert told == [_said(fact) for fact in facts_unproven(header, receipts)]
        assert told == [_said_by_web3(event) for event in web3(logs)]
        assert told == [_said_by_web3(event) for event in web3_receipts(receipts)]
        assert len(told) == SWAPS
    raws = [[_raw(log) for log in _LOGS.decode(logs)] for _, _, logs in made]
    answered = [_events_of(logs) for _, _, logs in made]
    took = by_turns(
        {
            "receipts": lambda: [facts_of_receipts(header, receipts) for header, receipts, _ in made],
            "unproven": lambda: [facts_unproven(header, receipts) for header, receipts, _ in made],
            "logs": lambda: [facts_of_logs(logs) for _, _, logs in made],
            "raw": lambda: [decode_pool_log(log) for block in raws for log in block],
            "web3": lambda: [web3(logs) for _, _, logs in made],
            "web3 receipts": lambda: [web3_receipts(receipts) for _, receipts, _ in made],
            "process_log": lambda: [run() for run in answered],
        },
        rounds,
    )
    us = {name: seconds * 1e6 / (BLOCKS * SWAPS) for name, seconds in took.items()}
    logs_way, receipts_way = "web3 get_logs + process_log", "web3 get_block_receipts + process_log"
    more = "ours reads three logs and a receipt per swap, web3 one log"
    same = "the same receipts; web3 holds them against nothing"
    return [
        Row("receipts JSON -> fact, per swap", logs_way, us["receipts"], us["web3"], 60, 120, f"{more}; ours proves them"),
        Row("receipts JSON -> fact, proven", receipts_way, us["receipts"], us["web3 receipts"], None, None, same),
        Row("receipts JSON -> fact, not proven", logs_way, us["unproven"], us["web3"], None, None, more),
        Row("receipts JSON -> fact, not proven", receipts_way, us["unproven"], us["web3 receipts"], None, None, same),
        Row("getLogs JSON -> fact", logs_way, us["logs"], us["web3"], 120, 300, "web3 makes checksum addresses"),
        Row("RawLog -> fact", "web3 process_log", us["raw"], us["process_log"], 120, 300),
    ]  # fmt: skip


def _events_of(logs: bytes) -> Callable[[], list[Any]]:
    """Make web3's decoding alone of logs that it has read."""
    provider = Answers()
    provider.payload = logs
    w3 = Web3(provider)
    read = w3.eth.get_logs({})
    contract = w3.eth.contract(address=Web3.to_checksum_address(POOL), abi=POOL_ABI)
    return lambda: [contract.events.Swap().process_log(log) for log in read]
