"""A real node over JSON-RPC. Its caller retries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import (
    BlockUnknownError,
    BrokenAnswerError,
    StateGoneError,
)
from pipeline.messages.base import BlockRef
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei
from streams.node.answers import (
    BlockAnswer,
    LogAnswer,
    header_of,
    quantity,
    raw_bytes,
)
from streams.node.budget import NodeBudget, RateLimit
from streams.node.multicall import MULTICALL3, aggregated
from streams.node.node_errors import broken
from streams.node.overrides import call_of, outcome, overrides_of
from streams.node.port import AccountState, Body, BodyScope, CallToSimulate, Header, SimulatedCall
from streams.node.proof.proofs import Proofs
from streams.node.receipts import Receipts
from streams.node.rpc import CallRefused, Outcome, Rpc, granted, parsed
from streams.node.simulated import SIMULATION, request_of, simulated
from streams.node.stable_reads import Undisturbed

if TYPE_CHECKING:
    from streams.node.client import Client

_TIMEOUT_S = 10.0
_HASHES_ONLY = False
"""Of a block's transactions."""

_OF_AN_ACCOUNT = ("eth_getBalance", "eth_getTransactionCount", "eth_getCode")

_BLOCK = msgspec.json.Decoder(BlockAnswer | None)
_LOGS = msgspec.json.Decoder(tuple[LogAnswer, ...])
_TEXT = msgspec.json.Decoder(str)


class HttpNode:
    """`port.Node` over HTTP."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = _TIMEOUT_S,
        limit: RateLimit | None = None,
        budget: NodeBudget | None = None,
    ) -> None:
        """Set the URL, and how often it may be asked: a limit of its own, or a shared budget. Nothing is asked yet."""
        self.budget = budget or NodeBudget(limit or RateLimit())
        self._rpc = Rpc(url, timeout_s=timeout_s, budget=self.budget)
        self._undisturbed = Undisturbed(self._rpc)
        self.proofs = Proofs()
        self._receipts = Receipts(self._rpc, self.proofs)

    async def chain_id(self) -> ChainId:
        """Ask which chain the node follows."""
        chain_id = ChainId(_number(await self._rpc.ask("eth_chainId"), "eth_chainId"))
        self.proofs.are_of(chain_id)
        return chain_id

    async def keeps_own_time(self) -> bool:
        """Return whether the node says that it is an anvil."""
        return await self._undisturbed.is_needed()

    async def newest(self) -> Header:
        """Ask for the newest block."""
        answer = await self._rpc.ask("eth_getBlockByNumber", "latest", _HASHES_ONLY)
        header = self._header(answer)
        if header is None:
            raise BlockUnknownError("eth_getBlockByNumber: the node has no newest block")
        return header

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        """Read blocks of the present branch by height."""
        answers = await self._rpc.ask_all(
            [("eth_getBlockByNumber", (hex(number), _HASHES_ONLY)) for number in numbers]
        )
        found = [self._header(granted(answer)) for answer in answers]
        for number, header in zip(numbers, found, strict=True):
            if header is not None and header.block.number != number:
                raise BrokenAnswerError(
                    f"asked for block {number}, the node answers block {header.block.number}"
                )
        return found

    async def header(self, block_hash: Hash) -> Header | None:
        """Read a block by hash, of any branch."""
        header = self._header(await self._rpc.ask("eth_getBlockByHash", block_hash, _HASHES_ONLY))
        if header is not None and header.block.hash != block_hash:
            raise BrokenAnswerError(
                f"asked for block {block_hash}, the node answers block {header.block.hash}"
            )
        return header

    async def bodies(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        """Read the bodies of blocks by their hashes, or what a scope asks for of them; every receipt is checked."""
        return await self._receipts.of(headers, scope)

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        call = {"to": to, "data": "0x" + data.hex()}
        answer = await self._ask_at(at, "eth_call", call)
        return raw_bytes(parsed(_TEXT, answer, "eth_call"), "eth_call")

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, given by hash; the node's state does not change."""
        block = {"blockOverrides": {"time": hex(time_s)}, "calls": [request_of(call) for call in calls]}
        asked = {"blockStateCalls": [block], "validation": False}
        answer = await self._ask_at(at, "eth_simulateV1", asked)
        blocks = parsed(SIMULATION, answer, "eth_simulateV1")
        if len(blocks) != 1 or len(blocks[0].calls) != len(calls):
            raise BrokenAnswerError(f"eth_simulateV1: {len(calls)} calls, another number of answers")
        return [simulated(each) for each in blocks[0].calls]

    async def simulate_by_override(self, calls: Sequence[CallToSimulate], at: Hash) -> list[SimulatedCall]:
        """Simulate calls in order by eth_call, with our code at their senders: gas and logs are not known then.

        A contract that sends does nothing else during these calls: its own code is away.
        """
        call = {"to": MULTICALL3, "data": "0x" + call_of(calls).hex()}
        answer = await self._ask_at(at, "eth_call", call, overrides_of(calls))
        results = aggregated(raw_bytes(parsed(_TEXT, answer, "eth_call"), "eth_call"))
        if len(results) != len(calls):
            raise BrokenAnswerError(
                f"eth_call with state overrides: {len(calls)} calls, {len(results)} results"
            )
        return [outcome(*result) for result in results]

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Read native balances of accounts after blocks; None where the node no longer has the state."""
        asked = [("eth_getBalance", (account, {"blockHash": at})) for account, at in questions]
        answers = await self._undisturbed.ask({at for _, at in questions}, lambda: self._rpc.ask_all(asked))
        return [None if _is_gone(answer) else _wei(answer) for answer in answers]

    async def accounts(self, questions: Sequence[tuple[Address, Hash]]) -> list[AccountState | None]:
        """Read the state of accounts after blocks; None where the node no longer has it."""
        asked = [
            (method, (account, {"blockHash": at})) for account, at in questions for method in _OF_AN_ACCOUNT
        ]
        answers = await self._undisturbed.ask({at for _, at in questions}, lambda: self._rpc.ask_all(asked))
        count = len(_OF_AN_ACCOUNT)
        return [_account(answers[at : at + count]) for at in range(0, len(answers), count)]

    async def waiting(self, account: Address) -> range:
        """Read the nonces of an account's pending transactions that follow the mined ones without a gap."""
        asked = [("eth_getTransactionCount", (account, tag)) for tag in ("latest", "pending")]
        counts = await self._rpc.ask_all(asked)
        return range(*(_number(granted(each), "eth_getTransactionCount") for each in counts))

    async def code(self, account: Address, at: Hash) -> bytes:
        """Read the code at an address; empty for a plain account."""
        answer = await self._ask_at(at, "eth_getCode", account)
        return raw_bytes(parsed(_TEXT, answer, "eth_getCode"), "eth_getCode")

    async def logs(
        self, address: Address, topics: Sequence[Sequence[str]], *, until: BlockRef
    ) -> tuple[LogAnswer, ...]:
        """Read a contract's logs up to a block, from the chain's first: at each place one of the topics named for it.

        Nothing proves that these are all. Raises: NodeError, also where the node gives no logs so far back.
        """
        terms = {"address": address, "fromBlock": "0x0", "toBlock": hex(until.number), "topics": topics}
        answer = await self._undisturbed.ask({until.hash}, lambda: self._rpc.ask("eth_getLogs", terms))
        logs: tuple[LogAnswer, ...] = parsed(_LOGS, answer, "eth_getLogs")
        return logs

    def web3(self, at: Hash) -> "Client":
        """Return a web3 client at the state after a block, for calls that are made rarely."""
        from streams.node.client import Client  # noqa: PLC0415 - takes its time; nobody who follows needs it

        return Client(
            lambda questions: self._undisturbed.ask({at}, lambda: self._rpc.ask_all(questions)), at=at
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._rpc.close()

    async def _ask_at(self, at: Hash, method: str, asked: Any, *behind: Any) -> msgspec.Raw:
        """Ask about the state after one block; `behind` are the parameters after the block's hash."""
        question = (asked, {"blockHash": at}, *behind)
        return await self._undisturbed.ask({at}, lambda: self._rpc.ask(method, *question))

    def _header(self, answer: msgspec.Raw) -> Header | None:
        block = parsed(_BLOCK, answer, "block")
        if block is None:
            return None
        self.proofs.check_header(block)
        return header_of(block, is_bloom_proven=self.proofs.blooms_hold_all)


def _is_gone(outcome: Outcome) -> bool:
    return isinstance(outcome, CallRefused) and isinstance(outcome.error, StateGoneError)


def _account(outcomes: Sequence[Outcome]) -> AccountState | None:
    if any(_is_gone(outcome) for outcome in outcomes):
        return None
    balance, count, code = _OF_AN_ACCOUNT
    wei, nonce, text = (granted(outcome) for outcome in outcomes)
    return AccountState(
        wei=Wei(_number(wei, balance)),
        nonce=_number(nonce, count),
        has_code=bool(raw_bytes(parsed(_TEXT, text, code), code)),
    )


def _wei(outcome: Outcome) -> Wei:
    return Wei(_number(granted(outcome), "eth_getBalance"))


def _number(answer: msgspec.Raw, method: str) -> int:
    """Read the number that a node answers to a method. Raises: BrokenAnswerError naming the method."""
    text = parsed(_TEXT, answer, method)
    try:
        return quantity(text)
    except BrokenAnswerError as error:
        raise broken(method, str(error)) from None
