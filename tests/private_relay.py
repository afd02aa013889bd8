"""A private relay for tests, which holds a transaction until the test includes or drops it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from eth_utils.crypto import keccak

from streams.devnet.chain import Chain
from streams.devnet.ports import HOST

KEY = "r3layKey0123456789abcdef"


class PrivateRelay:
    """A relay that stores transactions by hash and shows them to nobody before they are mined."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.held: dict[str, str] = {}
        self.asked: list[tuple[str, Any]] = []
        self.says: tuple[int, str] | None = None
        """A code and a message, instead of taking anything."""
        self.status = 200
        self.forgets = True
        self.url = ""

    def sent(self) -> list[str]:
        """List the transactions that were sent to it, in order, repetitions included."""
        return [_raw(params) for method, params in self.asked if method.startswith("eth_send")]

    def forgotten(self) -> list[str]:
        return [
            params[0]["txHash"] for method, params in self.asked if method == "eth_cancelPrivateTransaction"
        ]

    def include(self) -> None:
        """Put its transactions into the next block, as a builder would."""
        for raw in self.held.values():
            self.chain.rpc("eth_sendRawTransaction", raw)
        self.held.clear()
        self.chain.mine()

    async def serve(self, request: web.Request) -> web.Response:
        question = json.loads(await request.read())
        assert request.match_info["key"] == KEY
        if self.status != 200:
            return web.Response(status=self.status, text=f"no luck at {self.url}")
        self.asked.append((question["method"], question["params"]))
        return web.json_response({"jsonrpc": "2.0", "id": question["id"], **self._answer(**question)})

    def _answer(self, *, method: str, params: list[Any], **_: Any) -> dict[str, Any]:
        if method == "eth_cancelPrivateTransaction":
            return {"result": self.forgets and self.held.pop(params[0]["txHash"], None) is not None}
        if method not in {"eth_sendRawTransaction", "eth_sendPrivateTransaction"}:
            return {"error": {"code": -32601, "message": "method not found"}}
        if self.says is not None:
            code, message = self.says
            return {"error": {"code": code, "message": message}}
        raw = _raw(params)
        hash_ = "0x" + keccak(hexstr=raw).hex()
        self.held[hash_] = raw
        return {"result": hash_}


def _raw(params: list[Any]) -> str:
    return params[0]["tx"] if isinstance(params[0], dict) else params[0]


@asynccontextmanager
async def private_relay(chain: Chain) -> AsyncIterator[PrivateRelay]:
    """Serve a relay on this machine, under a URL with a key."""
    relay = PrivateRelay(chain)
    app = web.Application()
    app.router.add_post("/{key}", relay.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    relay.url = f"http://{HOST}:{runner.addresses[0][1]}/{KEY}"
    try:
        yield relay
    finally:
        await runner.cleanup()
