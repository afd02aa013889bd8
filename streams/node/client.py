"""web3 over our own connection, for what is asked seldom: contract reads by ABI, and ENS names.

What is asked at every block goes to `rpc.py` itself and never meets web3, whose formatters cost a hundred times as
much as the reading of an answer, and whose import costs a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import msgspec
from eth_utils.address import to_checksum_address
from web3 import AsyncWeb3
from web3.contract.async_contract import AsyncContract, AsyncContractFunction
from web3.exceptions import BadFunctionCallOutput, ContractLogicError
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import BlockIdentifier, RPCEndpoint, RPCResponse

from contracts_abi import load_abi
from pipeline.errors import CallRevertedError, UnreadableError
from pipeline.units import Address, Hash
from streams.node.answers import raw_bytes
from streams.node.contract_calls import Told
from streams.node.rpc import CallRefused, Outcome, Question, parsed, plain

AskAll = Callable[[Sequence[Question]], Awaitable[list[Outcome]]]
Call = AsyncContractFunction
"""A function of a contract with its arguments, as web3 makes it."""
_TEXT = msgspec.json.Decoder(str)
_ANSWERED_BY_BYTES = frozenset({"eth_call", "eth_getCode"})
_REVERTED = 3
"""The code of a revert, as most nodes write it."""


class BatchingProvider(AsyncJSONBaseProvider):
    """web3's provider over our connection: questions of one turn of the event loop go out in one request.

    It does not retry, and keeps no URL: the connection behind it does all that.
    """

    global_ccip_read_enabled = False
    """A contract may name URLs to be asked for its answer. Nothing that a contract says is fetched."""

    def __init__(self, ask_all: AskAll) -> None:
        """Set the connection's function that asks several questions."""
        super().__init__()
        self._ask_all = ask_all
        self._waiting: list[tuple[Question, asyncio.Future[Outcome]]] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask one question, together with the others of this turn of the event loop. Raises: NodeError."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            sending = loop.create_task(self._send())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        answer: asyncio.Future[Outcome] = loop.create_future()
        self._waiting.append(((method, tuple(params)), answer))
        return _response(method, await answer)

    async def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """Ask the questions of a batch that web3 has made. Raises: NodeError."""
        outcomes = await self._ask_all([(method, tuple(params)) for method, params in batch_requests])
        methods = [method for method, _ in batch_requests]
        return [_response(method, outcome) for method, outcome in zip(methods, outcomes, strict=True)]

    async def _send(self) -> None:
        """Ask the queued questions; an error of the node fails all of them."""
        waiting, self._waiting = self._waiting, []
        try:
            outcomes = await self._ask_all([question for question, _ in waiting])
        except Exception as error:  # noqa: BLE001 - it is raised where each answer is awaited
            for _, answer in waiting:
                if not answer.done():  # whoever asked may have given up
                    answer.set_exception(error)
            return
        for (_, answer), outcome in zip(waiting, outcomes, strict=True):
            if not answer.done():
                answer.set_result(outcome)


def _response(method: str, outcome: Outcome) -> RPCResponse:
    """Return an answer in web3's form. A revert is left to web3; every other error is raised.

    What must be bytes is checked here: web3 itself raises whatever its formatters do. Raises: NodeError.
    """
    if not isinstance(outcome, CallRefused):
        result = plain(outcome, method)
        if method in _ANSWERED_BY_BYTES:
            raw_bytes(parsed(_TEXT, outcome, method), method)
        return {"jsonrpc": "2.0", "id": 0, "result": result}
    if isinstance(outcome.error, CallRevertedError):
        return {"jsonrpc": "2.0", "id": 0, "error": {"code": _REVERTED, "message": str(outcome.error)}}
    raise outcome.error


class Client:
    """Contracts at the state after one block, called through their published interfaces."""

    def __init__(self, ask_all: AskAll, *, at: Hash) -> None:
        """Bind to a block's hash, so that no reorg mixes two branches."""
        self.w3: AsyncWeb3[Any] = AsyncWeb3(BatchingProvider(ask_all), middleware=[])
        # web3 turns a bare hash into a number, with a question of its own; the form of EIP-1898 it passes on
        self.w3.eth.default_block = cast("BlockIdentifier", {"blockHash": at})

    def contract(self, address: Address, interface: str) -> AsyncContract:
        """Return a contract's functions by name, e.g. "uniswap-v3/UniswapV3Pool", without asking anything yet."""
        abi: Any = load_abi(*interface.split("/"))
        return self.w3.eth.contract(address=to_checksum_address(address), abi=abi)

    async def ask(self, calls: Sequence[Call]) -> list[Told]:
        """Call functions together; one that the contract does not answer carries its reason, the others are answered.

        Addresses come back in lower case. Raises: NodeError where the node has trouble.
        """
        return list(await asyncio.gather(*(_told(call) for call in calls)))

    async def need(self, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
        """Call functions that must all answer. Raises: UnreadableError, NodeError."""
        answers = []
        for told in await self.ask(calls):
            if isinstance(told, UnreadableError):
                raise told
            answers.append(told)
        return answers


async def _told(call: Call) -> Told:
    what = f"{call.fn_name}({', '.join(map(str, call.args))}) of {call.address.lower()}"
    try:
        answer = await call.call()
    except ContractLogicError:
        return UnreadableError(f"{what} reverts")
    except BadFunctionCallOutput:
        return UnreadableError(f"{what}: no such contract or function")
    kinds = [output["type"] for output in call.abi["outputs"]]
    values = answer if len(kinds) > 1 else (answer,)
    return tuple(_ours(kind, value) for kind, value in zip(kinds, values, strict=True))


def _ours(kind: str, value: Any) -> Any:
    """Convert an address from web3's checksummed form into ours."""
    return value.lower() if kind == "address" else value
