"""A signer on real chains through nodes that may lie, stepped by the test; its journal and its intents are in memory."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from chaos.proxy import NodeProxy, Question, Reply, Trouble
from intents import intent
from sender_house import block_ref, limits_of, signer_of

from pipeline.messages.journal import Attempt, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import ShardId
from pipeline.venues.abi import function
from streams.devnet.chain import Chain
from streams.devnet.ports import free_port
from streams.devnet.world import World
from streams.submit.fake import FakeInbox, FakeJournal, FakeReports, FakeSignerBroker
from streams.submit.node import HttpSenderNode, SenderNode
from streams.submit.serve import Submit
from streams.submit.submit_timing import SubmitTiming

GWEI = 10**9


class SaysNo(Trouble):
    """Let the node answer calls of some methods with a JSON-RPC error, without executing them."""

    def __init__(self, message: str, *methods: str, code: int = -32000) -> None:
        super().__init__()
        self._message, self._methods, self._code = message, methods, code

    async def before(self, question: Question) -> Question:
        if question["method"] not in self._methods:
            return question
        self.met += 1
        error = {"code": self._code, "message": self._message}
        raise Reply(200, json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": error}).encode())


class SaysHttp(Trouble):
    """Let the node answer calls of some methods with an HTTP error."""

    def __init__(self, status: int, *methods: str) -> None:
        super().__init__()
        self._status, self._methods = status, methods

    async def before(self, question: Question) -> Question:
        if question["method"] not in self._methods:
            return question
        self.met += 1
        raise Reply(self._status, b"<html>not now</html>")


class Stepping:
    """One signer's process, and the parts that outlive it."""

    def __init__(self, chain: Chain, world: World) -> None:
        self.chain, self.world = chain, world
        self.broker = FakeSignerBroker()
        self.owner = world.accounts.owners[0]
        self.signer = signer_of(self.owner)
        self.limits = limits_of(world, max_deadline_s=2_000_000)
        self.submit: Submit | None = None
        self._asked = 0

    async def start(self, node: SenderNode, **changes: Any) -> Submit:
        """Start the process on a node, as after a crash of the former one."""
        usual: dict[str, Any] = {
            "chain_id": self.chain.chain_id,
            "partitions": 1,
            "signer": self.signer,
            "limits": self.limits,
            "timing": SubmitTiming(strange_looks=2),
            "multicall": self.world.multicall,
            "new_signer": f"signer/{self.owner}" not in self.broker.entries(),
        }
        self.submit = Submit(
            node,
            FakeJournal(self.broker),
            FakeReports(self.broker),
            FakeInbox(self.broker),
            **(usual | changes),
        )
        await self.submit.open()
        return self.submit

    async def step(self, count: int = 1) -> None:
        assert self.submit is not None
        for _ in range(count):
            await self.submit.step()

    async def block(self, count: int = 1) -> None:
        """Mine blocks, and let the signer see each twice."""
        for _ in range(count):
            self.chain.mine()
            await self.step(2)

    # -------------------------------------------------------------- what is asked, and what came of it
    def ask(self, to: str | None = None, data: str | None = None, **changes: Any) -> SubmitTransaction:
        """Put an intent on its topic; by default a deposit of 1 ETH with a deadline of hours."""
        self._asked += 1
        head = block_ref(self.chain.header())
        usual: dict[str, Any] = {
            "digest": self._asked,
            "offset": self._asked,
            "made_at": head,
            "signer": self.owner,
            "to": to or self.world.weth,
            "data": data or function("tokens/WETH9", "deposit").calldata(),
            "value_wei": 0 if data else 10**18,
            "gas_limit": 60_000,
            "position": f"position/{self._asked}",
            "deadline_s": head.timestamp_s + 1_000_000,
        }
        wanted = intent(**(usual | changes))
        self.broker.put(ShardId(0), wanted)
        return wanted

    def bound(self) -> list[NonceBound]:
        found = (entry for entry in self.broker.entries().values() if isinstance(entry, NonceBound))
        return sorted(found, key=lambda bound: bound.nonce)

    def attempts(self, place: int = 0) -> tuple[Attempt, ...]:
        return self.bound()[place].attempts

    def said(self, wanted: SubmitTransaction) -> list[Any]:
        return [report for report in self.broker.reports(ShardId(0)) if report.intent == wanted.digest]

    def names(self, wanted: SubmitTransaction) -> list[str]:
        return list(dict.fromkeys(type(report).__name__ for report in self.said(wanted)))

    def nonce(self) -> int:
        return int(self.chain.rpc("eth_getTransactionCount", self.owner, "latest"), 16)

    def pool(self) -> list[dict[str, Any]]:
        """List the transactions that wait in the node's public pool."""
        by_sender = self.chain.rpc("txpool_content")["pending"]
        return [tx for waiting in by_sender.values() for tx in waiting.values()]


@asynccontextmanager
async def proxied(chain: Chain) -> AsyncIterator[NodeProxy]:
    """Put a proxy that may lie before a chain."""
    proxy = NodeProxy(chain.url, free_port())
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@contextmanager
def nameless(chain: Chain) -> Iterator[str]:
    """Serve a chain, for a synchronous test, through a node that does not name its client."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = NodeProxy(chain.url, free_port())
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
        with proxy.troubled(SaysNo("method not found", "web3_clientVersion", code=-32601)):
            yield proxy.url_for("node")
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@asynccontextmanager
async def stepping(
    chain: Chain, world: World, make: Callable[[NodeProxy], SenderNode] | None = None
) -> AsyncIterator[tuple[Stepping, NodeProxy]]:
    """Run a signer behind one proxy."""
    async with proxied(chain) as proxy:
        stage = Stepping(chain, world)
        node = make(proxy) if make else HttpSenderNode(proxy.url_for("signer"), timeout_s=5)
        await stage.start(node)
        try:
            yield stage, proxy
        finally:
            assert stage.submit is not None
            await stage.submit.close()
