"""Make calls that are given as bytes and whose answers are single words."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import StateGoneError, UnreadableError
from pipeline.messages.read_values import CallRead
from pipeline.venues.block_call import BlockCall
from streams.node.contract_calls import Ask, ContractReader, Method


class _Given(Method, frozen=True, kw_only=True):
    """A function with given calldata."""

    data: bytes

    def encode(self, *arguments: Any) -> bytes:
        """Return the calldata."""
        del arguments
        return self.data


async def answers_to(reader: ContractReader, calls: Sequence[BlockCall]) -> tuple[CallRead, ...]:
    """Call contracts at the state after a block; what the node cannot answer is left out. Raises: NodeError."""
    try:
        words = await read_words(reader, calls) if calls else []
    except StateGoneError:
        return ()
    return tuple(
        CallRead(to=call.to, data=call.data, value=word)
        for call, word in zip(calls, words, strict=True)
        if not isinstance(word, UnreadableError)
    )


async def read_words(reader: ContractReader, calls: Sequence[BlockCall]) -> list[int | UnreadableError]:
    """Make calls and decode each answer as one unsigned word. Raises: NodeError."""
    told = await reader.ask([Ask(call.to, _given(call)) for call in calls])
    return [each if isinstance(each, UnreadableError) else int(each[0]) for each in told]


def _given(call: BlockCall) -> _Given:
    data = bytes.fromhex(call.data.removeprefix("0x"))
    return _Given(name=call.data[:10], selector=data[:4], inputs=(), outputs=("uint256",), data=data)
