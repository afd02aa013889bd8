"""Send signed bytes to a private relay, which keeps them from the public mempool."""

from typing import Literal, Protocol

import msgspec

from pipeline.errors import NodeError, NodeRefusedError
from pipeline.units import BlockNumber, Hash
from streams.node.rpc import Rpc, parsed
from streams.submit.send_errors import SendOutcome, outcome_of

SendMethod = Literal["eth_sendRawTransaction", "eth_sendPrivateTransaction"]

_MOST_BYTES = 1 << 20
_YES = msgspec.json.Decoder(bool)


class Relay(Protocol):
    """Where private bytes go, and nowhere else."""

    async def send(self, raw: str, *, last_block: BlockNumber | None) -> SendOutcome:
        """Give it signed bytes, good up to a block (None: as long as it keeps them). Never raises."""
        ...

    async def forget(self, transaction_hash: Hash) -> str:
        """Ask it to forget a transaction, and say what came of that. It is a promise, no proof. Never raises."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class HttpRelay:
    """`Relay` over JSON-RPC. Its URL may hold a key, which no error shows."""

    def __init__(self, url: str, method: SendMethod, *, timeout_s: float) -> None:
        """Take the method that it wants; only the private one lets it forget."""
        self._rpc = Rpc(url, timeout_s=timeout_s, most_bytes=_MOST_BYTES)
        self._method = method

    async def send(self, raw: str, *, last_block: BlockNumber | None) -> SendOutcome:
        """Give it signed bytes. Never raises: what it says is sorted as a node's words are."""
        try:
            if self._method == "eth_sendRawTransaction":
                await self._rpc.ask(self._method, raw)
            else:
                until = {} if last_block is None else {"maxBlockNumber": hex(last_block)}
                await self._rpc.ask(self._method, {"tx": raw, **until})
        except NodeRefusedError as error:
            return outcome_of(str(error))
        except NodeError as error:
            return outcome_of(str(error), otherwise="busy")
        return SendOutcome("taken")

    async def forget(self, transaction_hash: Hash) -> str:
        """Ask it to forget a transaction; relays that take `eth_sendRawTransaction` have no word for that."""
        if self._method == "eth_sendRawTransaction":
            return "this relay cannot forget"
        try:
            answer = await self._rpc.ask("eth_cancelPrivateTransaction", {"txHash": transaction_hash})
            forgotten = parsed(_YES, answer, "eth_cancelPrivateTransaction")
        except NodeError as error:
            return str(error)
        return "forgotten" if forgotten else "not forgotten"

    async def close(self) -> None:
        """Close its connections."""
        await self._rpc.close()
