"""A devnet's blocks in the form of another chain: its id, receipt types, system transactions, header, hashes and roots.

Made by rules, from the chains' documents and the encodings of their clients; nothing is copied from a chain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import rlp
from chaos.proxy import Answer, NodeProxy, Question, Trouble
from eth_utils.crypto import keccak

from streams.node.answers import BlockAnswer, bloom_bits
from streams.node.proof.header_hash import header_hash
from streams.node.proof.receipts_root import ordered_root

Told = dict[str, Any]

NOBODY = "0x" + 40 * "0"
_WORD = 64
_BLOOM_DIGITS = 512


@dataclass(frozen=True)
class ChainForm:
    """How a chain's blocks differ from Ethereum's in a node's answers."""

    chain_id: int
    first: Callable[[Told], Sequence[Told]] = lambda _: ()
    """Receipts of the system before all others, without what follows from their places."""
    last: Callable[[Told], Sequence[Told]] = lambda _: ()
    """Receipts of the system behind all others."""
    uncommitted: Callable[[Told], Sequence[Told]] = lambda _: ()
    """Receipts that no root and no bloom of the header hold."""
    extras: Callable[[Told], Told] = lambda _: {}
    """Fields that each user's receipt has besides."""
    header: Callable[[Told], Told] = lambda _: {}
    """Fields of the header that differ."""
    consensus: Callable[[Told], bytes] | None = None
    """How a receipt is encoded for the root, where it is of no form that is known."""


class DressedBlocks(Trouble):
    """A node whose blocks above a height have a chain's form and other hashes; calls by hash reach the original block."""

    def __init__(self, form: ChainForm, proxy: NodeProxy, *, above: int) -> None:
        super().__init__()
        self._form, self._proxy, self._above = form, proxy, above
        self._real: dict[str, str] = {}
        self._dressed: dict[str, tuple[Told, list[Told]]] = {}

    async def before(self, question: Question) -> Question:
        return {**question, "params": self._undressed(question.get("params", []))}

    async def after(self, question: Question, answer: Answer) -> Answer:
        method, result = question["method"], answer.get("result")
        if method == "eth_chainId":
            return {**answer, "result": hex(self._form.chain_id)}
        if method in {"eth_getBlockByNumber", "eth_getBlockByHash"} and result is not None:
            self.met += 1
            return {**answer, "result": (await self._dress(result))[0]}
        if method == "eth_getBlockReceipts" and result is not None:
            block = (await self._proxy.ask("eth_getBlockByHash", question["params"][0], False))["result"]
            return {**answer, "result": (await self._dress(block))[1]}
        return answer

    def _undressed(self, asked: Any) -> Any:
        if isinstance(asked, list):
            return [self._undressed(each) for each in asked]
        if isinstance(asked, dict):
            return {name: self._undressed(each) for name, each in asked.items()}
        return self._real.get(asked, asked) if isinstance(asked, str) else asked

    async def _dress(self, block: Told) -> tuple[Told, list[Told]]:
        if int(block["number"], 16) <= self._above:
            return block, (await self._proxy.ask("eth_getBlockReceipts", block["hash"]))["result"]
        known = self._dressed.get(block["hash"])
        if known is None:
            before = (await self._proxy.ask("eth_getBlockByHash", block["parentHash"], False))["result"]
            parent, _ = await self._dress(before)
            told = (await self._proxy.ask("eth_getBlockReceipts", block["hash"]))["result"]
            known = dress(self._form, {**block, "parentHash": parent["hash"]}, told)
            self._dressed[block["hash"]] = known
            self._real[known[0]["hash"]] = block["hash"]
        return known


def dress(form: ChainForm, block: Told, receipts: Sequence[Told]) -> tuple[Told, list[Told]]:
    """Put a block and its receipts into a chain's form."""
    users = [{**each, **form.extras(each)} for each in receipts]
    held = _in_places(block, [*form.first(block), *users, *form.last(block)])
    encode = form.consensus or consensus_of
    fields = {
        **block,
        **form.header(block),
        "receiptsRoot": ordered_root([encode(each) for each in held]),
        "logsBloom": _joined([each["logsBloom"] for each in held]),
        "gasUsed": held[-1]["cumulativeGasUsed"] if held else "0x0",
    }
    dressed = {**fields, "hash": _hash_of(fields)}
    whole = _in_places(dressed, [*held, *form.uncommitted(dressed)], committed=len(held))
    return {**dressed, "transactions": [each["transactionHash"] for each in whole]}, whole


def system_receipt(block: Told, kind: int, name: str, **fields: Any) -> Told:
    """A receipt of a transaction that no user has sent."""
    made = "0x" + keccak(text=f"{name} {block['number']}").hex()
    usual: Told = {
        "type": hex(kind), "status": "0x1", "gasUsed": "0x0", "effectiveGasPrice": "0x0", "logs": [],
        "from": NOBODY, "to": NOBODY, "contractAddress": None, "transactionHash": made,
    }  # fmt: skip
    return usual | fields


def log_of(address: str, *topics: str, data: str = "0x") -> Told:
    """A log of a system's contract."""
    return {"address": address, "topics": list(topics), "data": data}


def consensus_of(receipt: Told) -> bytes:
    """Encode a receipt as the clients do that know only Ethereum's four fields, and a deposit's nonce and version behind them."""
    logs = [
        [_bytes(log["address"]), [_bytes(topic) for topic in log["topics"]], _bytes(log["data"])]
        for log in receipt["logs"]
    ]
    fields: list[Any] = [
        _number(receipt["status"]), _number(receipt["cumulativeGasUsed"]), _bytes(receipt["logsBloom"]), logs,
    ]  # fmt: skip
    fields += [
        _number(receipt[name]) for name in ("depositNonce", "depositReceiptVersion") if name in receipt
    ]
    kind = int(receipt["type"], 16)
    encoded: bytes = rlp.encode(fields)
    return encoded if kind == 0 else bytes((kind,)) + encoded


def _in_places(block: Told, receipts: Sequence[Told], *, committed: int | None = None) -> list[Told]:
    """Number receipts and their logs through the block, and add up their gas; what is not committed to has none."""
    placed: list[Told] = []
    gas, logs = 0, 0
    for place, each in enumerate(receipts):
        is_held = committed is None or place < committed
        gas += int(each["gasUsed"], 16) if is_held else 0
        where = {
            "blockHash": block["hash"],
            "blockNumber": block["number"],
            "transactionHash": each["transactionHash"],
            "transactionIndex": hex(place),
        }
        numbered = [{**log, **where, "logIndex": hex(logs + i)} for i, log in enumerate(each["logs"])]
        logs += len(numbered)
        sums = hex(gas) if is_held else "0x0"
        told = {**each, **where, "logs": numbered, "cumulativeGasUsed": sums}
        placed.append(told | {"logsBloom": _bloom(numbered)})
    return placed


def _bloom(logs: Sequence[Told]) -> str:
    bits = 0
    for log in logs:
        for word in (log["address"], *log["topics"]):
            bits |= bloom_bits(word)
    return f"0x{bits:0{_BLOOM_DIGITS}x}"


def _joined(blooms: Sequence[str]) -> str:
    bits = 0
    for each in blooms:
        bits |= int(each, 16)
    return f"0x{bits:0{_BLOOM_DIGITS}x}"


def _hash_of(fields: Told) -> str:
    found = header_hash(msgspec.convert({**fields, "transactions": []}, BlockAnswer))
    assert found is not None
    return found


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _number(text: str) -> bytes:
    value = int(text, 16)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


# ------------------------------------------------------------------ the chains
_OP_INFO, _OP_L1BLOCK = (
    "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001",
    "0x4200000000000000000000000000000000000015",
)
_ARB_SYSTEM = "0x00000000000000000000000000000000000a4b05"
_ARB_RETRYABLE = "0x000000000000000000000000000000000000006e"
_BOR_STATE_RECEIVER = "0x0000000000000000000000000000000000001001"
_BNB_VALIDATORS = "0x0000000000000000000000000000000000001000"
_TOPIC = "0x" + _WORD * "7"


def _op_deposits(block: Told) -> Sequence[Told]:
    """The attributes of the block's origin on Ethereum, and a user's deposit with a log."""
    number = int(block["number"], 16)
    told = {"depositReceiptVersion": "0x1"}
    return (
        system_receipt(
            block, 0x7E, "attributes", gasUsed="0xb44c", to=_OP_L1BLOCK, depositNonce=hex(number), **told
        )
        | {"from": _OP_INFO},
        system_receipt(
            block, 0x7E, "deposit", gasUsed="0x5208", depositNonce=hex(3), logs=[log_of(_OP_L1BLOCK, _TOPIC)], **told
        ),
    )  # fmt: skip


def _op_fees(_: Told) -> Told:
    return {"l1Fee": "0x2540be400", "l1GasPrice": "0x3b9aca00", "l1GasUsed": "0x640", "l1BlobBaseFee": "0x1"}


def _arbitrum_start(block: Told) -> Sequence[Told]:
    """The start of the block, a deposit, a ticket that is submitted, and one that is redeemed."""
    at = {"to": _ARB_SYSTEM, "gasUsedForL1": "0x0", "l1BlockNumber": "0x1312d00"}
    return (
        system_receipt(block, 0x6A, "start", **at) | {"from": _ARB_SYSTEM},
        system_receipt(block, 0x64, "eth deposit", **at),
        system_receipt(block, 0x69, "submit", **at, logs=[log_of(_ARB_RETRYABLE, _TOPIC)]),
        system_receipt(block, 0x68, "redeem", **at | {"gasUsed": "0x5208"}),
    )


def _arbitrum_header(block: Told) -> Told:
    """The blocks and messages that it has seen of Ethereum stand in the fields that mining has left free."""
    return {
        "difficulty": "0x1", "nonce": "0x00000000001fb1a0",
        "mixHash": "0x" + f"{77:016x}{20_000_000:016x}{32:016x}{0:016x}",
        "sendRoot": _TOPIC, "sendCount": "0x4d", "l1BlockNumber": "0x1312d00",
    }  # fmt: skip


def _bor_sync(block: Told) -> Sequence[Told]:
    """What came from Ethereum, every sixteenth block on Polygon; here in each."""
    named = b"matic-bor-receipt-" + int(block["number"], 16).to_bytes(8, "big") + _bytes(block["hash"])
    made = system_receipt(block, 0, "sync", logs=[log_of(_BOR_STATE_RECEIVER, _TOPIC, data="0x01")])
    return (made | {"transactionHash": "0x" + keccak(named).hex()},)


def _bnb_rewards(block: Told) -> Sequence[Told]:
    """The validator sends fees on, for no price; a legacy transaction like others."""
    sent = {"from": block["miner"], "to": _BNB_VALIDATORS, "gasUsed": "0x1a5e0"}
    return (system_receipt(block, 0, "deposit", logs=[log_of(_BNB_VALIDATORS, _TOPIC)], **sent),)


def _new_kind(block: Told) -> Sequence[Told]:
    return (system_receipt(block, 0x50, "of a kind to come", surplus="0x5"),)


def _with_surplus(receipt: Told) -> bytes:
    return consensus_of(receipt) + (_bytes("0x05") if "surplus" in receipt else b"")


FORMS = {
    "Optimism": ChainForm(10, first=_op_deposits, extras=_op_fees),
    "Base": ChainForm(8_453, first=_op_deposits, extras=_op_fees),
    "Arbitrum One": ChainForm(
        42_161,
        first=_arbitrum_start,
        extras=lambda _: {"gasUsedForL1": "0x3e8", "l1BlockNumber": "0x1312d00"},
        header=_arbitrum_header,
    ),
    "Polygon": ChainForm(137, uncommitted=_bor_sync),
    "BNB Smart Chain": ChainForm(56, last=_bnb_rewards, header=lambda _: {"extraData": "0x" + "d9" * 97}),
    "Ethereum": ChainForm(1),
}
"""The chains that have a file."""
TO_COME = ChainForm(42_161, first=_new_kind, consensus=_with_surplus)
"""A chain after an upgrade that nobody here knows: a type of receipt with a field of its own."""
