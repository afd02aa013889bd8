"""Test what a node can do: each method, the size of a batch, the age of a state."""

import asyncio
from typing import Any, Literal

import msgspec

from pipeline.errors import NodeError, RequestRefusedError, StateGoneError
from pipeline.messages.base import BlockRef
from pipeline.units import Address
from streams.node.answers import raw_bytes
from streams.node.multicall import MULTICALL3, aggregate, aggregated
from streams.node.overrides import call_of, overrides_of
from streams.node.port import CallToSimulate, Header
from streams.node.rpc import CallRefused, Question, Rpc, parsed
from streams.node.simulated import request_of

Serves = Literal["yes", "no", "unclear"]
"""`unclear`: the node is busy, or its answer is none."""

_NOBODY = Address("0x000000000000000000000000000065766e6b6565")
_NO_CODE = Address("0x000000000000000000000000000000000000dead")
_NO_HASH = "0x" + "00" * 32
_BATCH = 50
_TRIES, _TRIED_AGAIN_S = 3, 0.5
_PROBE_GAS = 100_000
_TEXT = msgspec.json.Decoder(str)


class Ability(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried: whether the node supports it, and what follows where it does not."""

    name: str
    serves: Serves
    says: str = ""
    """The node's words where it does not."""


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was tried with one node."""

    tried: tuple[Ability, ...]
    batch: int
    """How many questions it takes at once."""

    def lacks(self, name: str) -> bool:
        """Return whether the node does not support it."""
        return any(each.name == name and each.serves == "no" for each in self.tried)

    def unclear(self) -> list[Ability]:
        """List what is not known of the node."""
        return [each for each in self.tried if each.serves == "unclear"]


async def try_abilities(rpc: Rpc, newest: Header, old: BlockRef | None) -> Abilities:
    """Try each kind of request that Evenkeel makes, at a node's newest block and at the state of an older one.

    Raises: NodeError where even the plainest question gets no answer.
    """
    await rpc.ask("eth_chainId")
    questions = _questions(newest)
    if old is not None:
        questions["old state"] = ("eth_getBalance", (_NOBODY, {"blockHash": old.hash}))
    tried = [await _tried(rpc, name, question) for name, question in questions.items()]
    return Abilities(tried=tuple(tried), batch=await _largest_batch(rpc))


def _questions(newest: Header) -> dict[str, Question]:
    block = newest.block
    at = {"blockHash": block.hash}
    height = aggregate([(MULTICALL3, bytes.fromhex("42cbb15c"))])  # getBlockNumber()
    probe = CallToSimulate(sender=_NOBODY, to=_NO_CODE, data="0x", gas_limit=_PROBE_GAS)
    simulated = {"blockOverrides": {"time": hex(block.timestamp_s + 1)}, "calls": [request_of(probe)]}
    asked: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("eth_getBlockByNumber", (hex(block.number), False)),
        ("eth_getBlockByHash", (block.hash, False)),
        ("eth_getBlockReceipts", (block.hash,)),
        ("eth_getTransactionReceipt", (newest.transactions[0] if newest.transactions else _NO_HASH,)),
        ("eth_call", ({"to": MULTICALL3, "data": "0x" + height.hex()}, at)),
        ("eth_getBalance", (_NOBODY, at)),
        ("eth_getCode", (_NOBODY, at)),
        ("eth_simulateV1", ({"blockStateCalls": [simulated], "validation": False}, at)),
        ("eth_getTransactionCount", (_NOBODY, at)),
        ("eth_feeHistory", ("0x5", hex(block.number), (50,))),
    )
    questions: dict[str, Question] = {method: (method, params) for method, params in asked}
    overridden = {"to": MULTICALL3, "data": "0x" + call_of([probe]).hex()}
    return questions | {"state overrides": ("eth_call", (overridden, at, overrides_of([probe])))}


async def _tried(rpc: Rpc, name: str, question: Question) -> Ability:
    """Ask, and repeat it where the node fails for a moment: that says nothing about what it supports."""
    says = ""
    for left in reversed(range(_TRIES)):
        try:
            (outcome,) = await rpc.ask_all([question])
            if not isinstance(outcome, CallRefused):
                return _answered(name, outcome)
            if isinstance(outcome.error, RequestRefusedError | StateGoneError):
                return Ability(name=name, serves="no", says=str(outcome.error))
            says = str(outcome.error)
        except NodeError as error:
            says = str(error)
        await asyncio.sleep(_TRIED_AGAIN_S if left else 0)
    return Ability(name=name, serves="unclear", says=says)


def _answered(name: str, answer: msgspec.Raw) -> Ability:
    """Check an answer where a node may ignore parameters that it does not know. Raises: NodeError."""
    if name in {"eth_call", "state overrides"}:
        payload = raw_bytes(parsed(_TEXT, answer, name), name)
        if not payload:
            return Ability(name=name, serves="no", says=f"no Multicall3 stands at {MULTICALL3}")
        ((succeeded, _),) = aggregated(payload)
        if not succeeded:
            return Ability(name=name, serves="no", says=f"{name}: a call that must succeed fails")
    return Ability(name=name, serves="yes")


async def _largest_batch(rpc: Rpc) -> int:
    """Find how many questions the node accepts in one request: the connection halves a batch that is refused."""
    try:
        await rpc.ask_all([("eth_chainId", ())] * _BATCH)
    except NodeError:
        return 0
    return rpc.batch_size
