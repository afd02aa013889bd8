"""Call contracts by their published interface, many calls in one request at one block."""

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.errors import (
    BrokenAnswerError,
    CallRevertedError,
    OutOfRangeError,
    TooMuchAskedError,
    UnreadableError,
)
from pipeline.units import Address, Hash, Seconds
from pipeline.venues.abi import Function, function
from pipeline.venues.log_words import TWO_256, WORD_BYTES, address, sint, uint
from streams.node.multicall import aggregate, aggregated
from streams.node.port import CallToSimulate, Node, SimulatedCall

_CALLS_AT_ONCE = 300
"""In one aggregate: some millions of gas, far below what nodes allow a call."""
_AGGREGATES_AT_ONCE = 4


class Method(Function, frozen=True, kw_only=True):
    """A function whose arguments and results are one word each, encoded and decoded ten times as fast as by eth-abi."""

    def encode(self, *arguments: Any) -> bytes:
        """Encode calldata."""
        return _calldata(self, arguments)

    def answer(self, returned: bytes) -> tuple[Any, ...]:
        """Decode what the function returned. Raises: UnreadableError."""
        if len(returned) < WORD_BYTES * len(self.outputs):
            raise UnreadableError(f"{self.name} answers {len(returned)} bytes")
        words = (returned[at * WORD_BYTES :][:WORD_BYTES] for at in range(len(self.outputs)))
        try:
            return tuple(_value(kind, word) for kind, word in zip(self.outputs, words, strict=True))
        except OutOfRangeError as error:
            raise UnreadableError(f"{self.name} answers {error}") from None


@functools.cache
def method(contract: str, name: str) -> Method:
    """Look a function up, e.g. `method("uniswap-v3/UniswapV3Pool", "slot0")`. Raises: CalldataError."""
    return Method(**msgspec.structs.asdict(function(contract, name)))


@functools.lru_cache(maxsize=1 << 16)  # every check of every pool asks for the same words of bitmap
def _calldata(called: Method, arguments: tuple[Any, ...]) -> bytes:
    words = (_word(kind, each) for kind, each in zip(called.inputs, arguments, strict=True))
    return b"".join((called.selector, *words))


def _word(kind: str, value: Any) -> bytes:
    if kind == "bytes32":
        return bytes(value)
    number = int(value, 16) if kind == "address" else int(value)
    return (number % TWO_256).to_bytes(WORD_BYTES, "big")


def _value(kind: str, raw: bytes) -> Any:
    if kind == "bytes32":
        return raw
    word = int.from_bytes(raw, "big")
    if kind == "address":
        return address(word)
    if kind == "bool":
        return bool(uint(word, 1))
    if kind.startswith("uint"):
        return uint(word, int(kind.removeprefix("uint")))
    return sint(word, int(kind.removeprefix("int")))


class Ask(msgspec.Struct, frozen=True):
    """One call to one contract."""

    to: Address
    method: Function
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.method.name}({', '.join(map(str, self.arguments))}) of {self.to}"


Told = tuple[Any, ...] | UnreadableError
"""What a function returned, or why nothing is known of it."""


class ContractReader:
    """Calls contracts at the state after one block."""

    def __init__(self, node: Node, *, multicall: Address, at: Hash) -> None:
        """Bind to a block's hash and the chain's Multicall3."""
        self._node = node
        self.multicall = multicall
        self._at = at
        self._turns = asyncio.Semaphore(_AGGREGATES_AT_ONCE)

    async def ask(self, asks: Sequence[Ask]) -> list[Told]:
        """Make many calls; one that the contract does not answer carries its reason, the others are answered.

        Raises: NodeError where the node has trouble: nothing is known of any of them then.
        """
        parts = [asks[start : start + _CALLS_AT_ONCE] for start in range(0, len(asks), _CALLS_AT_ONCE)]
        told = await asyncio.gather(*(self._aggregate(part) for part in parts))
        return [each for part in told for each in part]

    async def need(self, asks: Sequence[Ask]) -> list[tuple[Any, ...]]:
        """Make calls that must all be answered. Raises: UnreadableError, NodeError."""
        answers = []
        for told in await self.ask(asks):
            if isinstance(told, UnreadableError):
                raise told
            answers.append(told)
        return answers

    async def simulate(self, calls: Sequence[CallToSimulate], time_s: Seconds) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of this one. Raises: NodeError."""
        return await self._node.simulate(calls, self._at, time_s)

    async def simulate_by_override(self, calls: Sequence[CallToSimulate]) -> list[SimulatedCall]:
        """Simulate calls in order on this block where the node has no `simulate`. Raises: NodeError."""
        return await self._node.simulate_by_override(calls, self._at)

    async def _aggregate(self, asks: Sequence[Ask]) -> list[Told]:
        """Make all calls in one, or in two where that exceeds the node's limit on gas or bytes."""
        data = aggregate([(ask.to, ask.method.encode(*ask.arguments)) for ask in asks])
        try:
            async with self._turns:
                answer = await self._node.call(self.multicall, data, self._at)
        except (CallRevertedError, TooMuchAskedError) as error:
            if len(asks) > 1:
                half = len(asks) // 2
                return [*await self._aggregate(asks[:half]), *await self._aggregate(asks[half:])]
            if isinstance(error, TooMuchAskedError):
                raise
            return [UnreadableError(f"{asks[0]}: {error}")]
        if not answer:
            return [UnreadableError(f"no Multicall3 at {self.multicall}")] * len(asks)
        results = aggregated(answer)
        if len(results) != len(asks):
            raise BrokenAnswerError(f"{len(asks)} calls in one, {len(results)} results")
        return [_told(ask, *result) for ask, result in zip(asks, results, strict=True)]


def _told(ask: Ask, succeeded: bool, answer: bytes) -> Told:  # noqa: FBT001 - as Multicall3 answers
    if not succeeded:
        return UnreadableError(f"{ask} reverts")
    if not answer:
        return UnreadableError(f"{ask}: no such contract or function")
    try:
        return ask.method.answer(answer)
    except UnreadableError as error:
        return UnreadableError(f"{ask}: {error}")
