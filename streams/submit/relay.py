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
    """A private relay: the only place that private bytes are sent to."""

    async def send(self, raw: str, *, last_block: BlockNumber | None) -> SendOutcome:
        """Send signed bytes, valid up to a block (None: as long as the relay keeps them). Never raises."""
        ...

    async def forget(self, transaction_hash: Hash) -> str:
        """Ask the relay to drop a transaction, and return its answer, which is a promise and no proof. Never raises."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class HttpRelay:
    """`Relay` over JSON-RPC. Its URL may hold a key, which no error shows."""

    def __init__(self, url: str, method: SendMethod, *, timeout_s: float) -> None:
        """Set the relay's method; only the private one lets a transaction be dropped."""
        self._rpc = Rpc(url, timeout_s=timeout_s, most_bytes=_MOST_BYTES)
        self._method = method

    async def send(self, raw: str, *, last_block: BlockNumber | None) -> SendOutcome:
        """Send signed bytes. Never raises: the answer is classified like a node's."""
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
        """Ask the relay to drop a transaction; relays that accept `eth_sendRawTransaction` have no method for that."""
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
