"""Forward a program's read-only questions to a node, so that the program does not learn the node's key.

anvil shows the URL that it forks from to whoever asks it (`anvil_nodeInfo`), also to a web page through a WebSocket. So
it forks from here: loopback only, a path of its own for as long as it lives, questions that read and nothing else.
"""

import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from pipeline.errors import NodeBusyError, NodeError
from streams.node.budget import NodeBudget
from streams.node.rpc import CallRefused, Outcome, Rpc

_HOST = "127.0.0.1"
_MOST_REQUEST_BYTES = 1 << 22
_TOKEN_BYTES = 24
_NOT_FOUND = -32601
_REFUSED = -32000
READING = frozenset(
    {
        "eth_blobBaseFee",
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getAccountInfo",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
        "eth_getCode",
        "eth_getLogs",
        "eth_getProof",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "net_version",
        "web3_clientVersion",
    }
)
"""What a fork asks of the chain that it copies. Nothing here sends, signs or changes anything."""


class _Asked(msgspec.Struct, frozen=True):
    id: int | str | None
    method: str
    params: list[Any] = []


_ASKED = msgspec.json.Decoder(list[_Asked] | _Asked)


@asynccontextmanager
async def forwarding(url: str, *, timeout_s: float, budget: NodeBudget | None = None) -> AsyncIterator[str]:
    """Forward requests to a node during the `with` block, from the URL that it yields. The node's own URL may hold a key."""
    rpc = Rpc(url, timeout_s=timeout_s, budget=budget)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    app = web.Application(client_max_size=_MOST_REQUEST_BYTES)
    app.router.add_post("/{token}", _Forwarder(rpc, token).serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    try:
        await runner.setup()
        await web.TCPSite(runner, _HOST, 0).start()
        port = runner.addresses[0][1]
        yield f"http://{_HOST}:{port}/{token}"
    finally:
        await runner.cleanup()
        await rpc.close()


class _Forwarder:
    """Answers requests with the token that come from no web page, and only reads."""

    def __init__(self, rpc: Rpc, token: str) -> None:
        self._rpc, self._token = rpc, token

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request, of one question or many."""
        if not self._is_ours(request):
            return web.Response(status=403)
        try:
            asked = _ASKED.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return web.Response(status=400)
        try:
            answers = await self._answers(asked if isinstance(asked, list) else [asked])
        except NodeBusyError as error:
            return web.Response(status=503, text=str(error))  # to be asked again
        except NodeError as error:
            return web.Response(status=502, text=str(error))
        body = msgspec.json.encode(answers if isinstance(asked, list) else answers[0])
        return web.Response(body=body, content_type="application/json")

    def _is_ours(self, request: web.Request) -> bool:
        """Return whether a request is no web page's: those name their origin, or reach this machine by another name."""
        host = request.host.rpartition(":")[0]
        token = request.match_info["token"]
        return "Origin" not in request.headers and host == _HOST and hmac.compare_digest(token, self._token)

    async def _answers(self, asked: list[_Asked]) -> list[dict[str, Any]]:
        passed = [each for each in asked if each.method in READING]
        outcomes = iter(await self._rpc.ask_all([(each.method, tuple(each.params)) for each in passed]))
        return [
            _answer(each, next(outcomes)) if each.method in READING else _not_here(each) for each in asked
        ]


def _answer(asked: _Asked, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, CallRefused):  # its words are free of the node's URL
        return _error(asked, _REFUSED, str(outcome.error))
    return {"jsonrpc": "2.0", "id": asked.id, "result": outcome}


def _not_here(asked: _Asked) -> dict[str, Any]:
    return _error(asked, _NOT_FOUND, f"{asked.method[:60]}: the method is not forwarded")


def _error(asked: _Asked, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked.id, "error": {"code": code, "message": message}}
