"""False answers of a node: about a block's receipts, its header, and the branch that it is on."""

import copy
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
from chaos.proxy import AT_A_HASH, BLOCKS, RECEIPTS, Answer, Question, Trouble

from streams.node.answers import BlockAnswer, bloom_of
from streams.node.proof.header_hash import header_hash

Receipts = list[dict[str, Any]]
Falsify = Callable[[Receipts, random.Random], bool]
"""Change receipts in place; False: there is nothing to change in them."""

_WHOLE, _SINGLE = RECEIPTS
HEADERS = ("eth_getBlockByNumber", "eth_getBlockByHash")
FIELDS = ("timestamp", "baseFeePerGas", "parentHash", "logsBloom", "receiptsRoot", "stateRoot", "gasUsed")
"""Of a header, the ones that are changed."""


class FalseReceipts(Trouble):
    """Each block's receipts are changed in one way, so that nothing but the root of all of them shows it."""

    def __init__(self, falsify: Falsify, dice: random.Random, *, only: str | None = None) -> None:
        super().__init__(only=only)
        self._falsify, self._dice = falsify, dice

    async def after(self, question: Question, answer: Answer) -> Answer:
        told = answer.get("result")
        if question["method"] not in RECEIPTS or not told:
            return answer
        receipts: Receipts = copy.deepcopy(told if isinstance(told, list) else [told])
        if not self._falsify(receipts, self._dice):
            return answer
        _fit(receipts)
        self.met += 1
        return {**answer, "result": receipts if isinstance(told, list) else receipts[0]}


def _fit(receipts: Receipts) -> None:
    """Number the logs anew and make the blooms theirs: a liar of some care contradicts itself nowhere."""
    number = int(receipts[0]["logs"][0]["logIndex"], 16) if receipts[0]["logs"] else 0
    for receipt in receipts:
        for log in receipt["logs"]:
            log["logIndex"] = hex(number)
            number += 1
        logs = msgspec.convert(receipt["logs"], list[_Log])
        receipt["logsBloom"] = f"0x{bloom_of(logs):0512x}"  # type: ignore[arg-type]


class _Log(msgspec.Struct):
    address: str
    topics: tuple[str, ...]


def leaves_out_a_log(receipts: Receipts, dice: random.Random) -> bool:
    holders = [receipt for receipt in receipts if receipt["logs"]]
    if holders:
        logs = dice.choice(holders)["logs"]
        logs.pop(dice.randrange(len(logs)))
    return bool(holders)


def edits_a_log(receipts: Receipts, dice: random.Random) -> bool:
    """Change one digit of a log's data, usually an amount."""
    logs = [log for receipt in receipts for log in receipt["logs"] if len(log["data"]) > 2]
    if logs:
        log = dice.choice(logs)
        at = dice.randrange(2, len(log["data"]))
        log["data"] = log["data"][:at] + f"{int(log['data'][at], 16) ^ 1:x}" + log["data"][at + 1 :]
    return bool(logs)


def shuffles_logs(receipts: Receipts, dice: random.Random) -> bool:
    """Swap two logs of one receipt that are not alike."""
    places = [
        (receipt["logs"], at)
        for receipt in receipts
        for at in range(len(receipt["logs"]) - 1)
        if receipt["logs"][at]["data"] != receipt["logs"][at + 1]["data"]
    ]
    if places:
        logs, at = dice.choice(places)
        logs[at], logs[at + 1] = logs[at + 1], logs[at]
    return bool(places)


def doubles_a_log(receipts: Receipts, dice: random.Random) -> bool:
    holders = [receipt for receipt in receipts if receipt["logs"]]
    if holders:
        logs = dice.choice(holders)["logs"]
        at = dice.randrange(len(logs))
        logs.insert(at, copy.deepcopy(logs[at]))
    return bool(holders)


def turns_a_failure(receipts: Receipts, dice: random.Random) -> bool:
    """Say that what succeeded has failed, or the other way."""
    receipt = dice.choice(receipts)
    receipt["status"] = "0x0" if receipt["status"] == "0x1" else "0x1"
    return True


class HalfIndexed(Trouble):
    """A block is there and what happened in it is not, or not all: null, or the first receipts only."""

    def __init__(self, dice: random.Random, *, short: bool, only: str | None = None) -> None:
        super().__init__(only=only)
        self._dice, self._short = dice, short

    async def after(self, question: Question, answer: Answer) -> Answer:
        told = answer.get("result")
        if question["method"] not in RECEIPTS or not told:
            return answer
        self.met += 1
        if self._short and isinstance(told, list):
            return {**answer, "result": told[: self._dice.randrange(len(told))]}
        return {**answer, "result": None}


class FalseHeaders(Trouble):
    """One field of each header is changed, and its hash left as it is."""

    def __init__(self, dice: random.Random, *, only: str | None = None) -> None:
        super().__init__(only=only)
        self._field = dice.choice(FIELDS)

    async def after(self, question: Question, answer: Answer) -> Answer:
        told = answer.get("result")
        if question["method"] not in HEADERS or not told:
            return answer
        self.met += 1
        was = told[self._field]
        return {**answer, "result": {**told, self._field: was[:-1] + ("1" if was[-1] != "1" else "2")}}


class InventsABlock(Trouble):
    """The newest block is invented by the node, with a correct hash of its fields, and is repeated when asked by height."""

    def __init__(self, *, only: str | None = None) -> None:
        super().__init__(only=only)
        self._made: dict[str, Any] | None = None

    async def after(self, question: Question, answer: Answer) -> Answer:
        method, told = question["method"], answer.get("result")
        if method not in HEADERS or (not told and self._made is None):
            return answer
        asked = question["params"][0]
        if asked == "latest":
            self._made = self._child_of(told)
        if self._made is None or asked not in {"latest", self._made["number"], self._made["hash"]}:
            return answer
        self.met += 1
        return {**answer, "result": self._made}

    @staticmethod
    def _child_of(parent: dict[str, Any]) -> dict[str, Any]:
        made = {
            **parent,
            "parentHash": parent["hash"],
            "number": hex(int(parent["number"], 16) + 1),
            "timestamp": hex(int(parent["timestamp"], 16) + 1),
        }
        return {**made, "hash": header_hash(msgspec.convert(made, BlockAnswer))}


class OnAnotherBranch(Trouble):
    """Everything is answered by another chain, which has parted from this one."""

    def __init__(self, url: str, *, only: str | None = None) -> None:
        super().__init__(only=only)
        self._url = url

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] not in BLOCKS | AT_A_HASH | {_SINGLE}:
            return answer
        self.met += 1
        async with aiohttp.ClientSession() as session, session.post(self._url, json=question) as response:
            told: Answer = await response.json()
        return told
