"""A proxy between the watchers and the chain's HTTP endpoint that misbehaves on command."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
from aiohttp import web

from streams.devnet.ports import HOST

Question = dict[str, Any]
Answer = dict[str, Any]

RECEIPTS = ("eth_getBlockReceipts", "eth_getTransactionReceipt")
"""Of a block; one by one after the node has failed to tell those of a block."""
BLOCKS = frozenset({"eth_getBlockByNumber", "eth_getBlockByHash", "eth_getBlockReceipts"})
AT_A_HASH = frozenset({"eth_call", "eth_getBalance"})


class Reply(Exception):  # noqa: N818 - an answer, though not of JSON-RPC
    """What the node says instead of an answer."""

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Trouble:
    """What is wrong with the node, for every watcher or for one; by itself nothing is."""

    def __init__(self, *, only: str | None = None) -> None:
        self.only = only
        self.met = 0
        """How many answers were not what they should have been."""

    async def before(self, question: Question) -> Question:
        """Ask this instead, and when."""
        return question

    async def after(self, question: Question, answer: Answer) -> Answer:
        """Answer this instead."""
        del question
        return answer

    async def before_all(self, questions: list[Question]) -> None:
        """Look at a whole request. Raises: Reply where the request is not answered."""

    def end(self) -> None:
        """Let go of whoever still waits."""


class Nulls(Trouble):
    """Every block is null: the node has just been started, or answers for a branch that it has left."""

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] not in BLOCKS:
            return answer
        self.met += 1
        return {**answer, "result": None}


class Waits(Trouble):
    """Questions wait until it is over: those of some methods, or all."""

    def __init__(self, *methods: str, only: str | None = None) -> None:
        super().__init__(only=only)
        self.methods = methods
        self.somebody_waits = asyncio.Event()
        self._over = asyncio.Event()

    async def before(self, question: Question) -> Question:
        if not self.methods or question["method"] in self.methods:
            self.met += 1
            self.somebody_waits.set()
            await self._over.wait()
        return question

    def end(self) -> None:
        self._over.set()


class Lags(Trouble):
    """Answers come from a node some blocks behind; now and then, of several nodes, from one that is not."""

    def __init__(self, blocks: int, dice: random.Random, proxy: "NodeProxy") -> None:
        super().__init__()
        self._blocks, self._dice, self._proxy = blocks, dice, proxy

    async def after(self, question: Question, answer: Answer) -> Answer:
        method, params = question["method"], question["params"]
        if method not in BLOCKS | AT_A_HASH or self._dice.random() < 0.3:
            return answer
        limit = int((await self._proxy.ask("eth_blockNumber"))["result"], 16) - self._blocks
        if params[0] == "latest":
            self.met += 1
            older = await self._proxy.ask("eth_getBlockByNumber", hex(max(limit, 0)), False)
            return {**answer, "result": older["result"]}
        if await self._proxy.height_of(method, params) <= limit:
            return answer
        self.met += 1
        if method in BLOCKS:
            return {**answer, "result": None}
        return {
            "jsonrpc": "2.0",
            "id": answer["id"],
            "error": {"code": -32000, "message": "header not found"},
        }


class Says(Trouble):
    """Questions of some methods are answered with an error of JSON-RPC, inside HTTP 200: those that a dice picks, or all."""

    def __init__(
        self, *methods: str, code: int, message: str, dice: random.Random | None = None, share: float = 1.0
    ) -> None:
        super().__init__()
        self._methods, self._error = methods, {"code": code, "message": message}
        self._dice, self._share = dice or random.Random(0), share

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] not in self._methods or self._dice.random() >= self._share:
            return answer
        self.met += 1
        return {"jsonrpc": "2.0", "id": answer["id"], "error": self._error}


class TakesNoOverrides(Trouble):
    """eth_call takes no state overrides."""

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] != "eth_call" or len(question["params"]) < 3:
            return answer
        self.met += 1
        error = {"code": -32602, "message": "too many arguments, want at most 2"}
        return {"jsonrpc": "2.0", "id": answer["id"], "error": error}


class TakesBatchesOf(Trouble):
    """Longer batches than this are refused whole, as geth does it."""

    code, message = -32600, "batch too large"

    def __init__(self, most: int, *, only: str | None = None) -> None:
        super().__init__(only=only)
        self.most = most
        self.largest = 0
        """Of those that were answered."""

    async def before_all(self, questions: list[Question]) -> None:
        if len(questions) <= self.most:
            self.largest = max(self.largest, len(questions))
            return
        self.met += 1
        error = {"code": self.code, "message": self.message}
        raise Reply(200, json.dumps([{"jsonrpc": "2.0", "id": questions[0]["id"], "error": error}]).encode())


class StandsStill(Trouble):
    """The node answers from a replica that has stopped at a block, and has nothing above it."""

    def __init__(self, number: int, proxy: "NodeProxy") -> None:
        super().__init__()
        self._number, self._proxy = number, proxy

    async def after(self, question: Question, answer: Answer) -> Answer:
        method, params = question["method"], question["params"]
        if method == "eth_getBlockByNumber" and params[0] == "latest":
            self.met += 1
            older = await self._proxy.ask("eth_getBlockByNumber", hex(self._number), False)
            return {**answer, "result": older["result"]}
        if method not in BLOCKS | AT_A_HASH or await self._proxy.height_of(method, params) <= self._number:
            return answer
        self.met += 1
        if method in BLOCKS:
            return {**answer, "result": None}
        error = {"code": -32000, "message": "header not found"}
        return {"jsonrpc": "2.0", "id": answer["id"], "error": error}


class Refuses(Trouble):
    """Most requests end in an error of HTTP, in no JSON, or in half of one."""

    def __init__(self, dice: random.Random, *methods: str, share: float = 0.7) -> None:
        super().__init__()
        self._dice, self._methods, self._share = dice, methods, share

    async def before(self, question: Question) -> Question:
        if (self._methods and question["method"] not in self._methods) or self._dice.random() > self._share:
            return question
        self.met += 1
        raise self._dice.choice(
            (
                Reply(429, b"slow down"),
                Reply(503, b"<html>not now</html>"),
                Reply(200, b"it works!"),
                Reply(200, b'{"jsonrpc":"2.0","id":0,"result":{"number":"0x'),
                Reply(200, b'{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"limit exceeded"}}'),
            )
        )


class RefusesAfter(Trouble):
    """So many questions of a method are answered, no more: the node fails in the middle of reads."""

    def __init__(self, answered: int, *methods: str) -> None:
        super().__init__()
        self.left, self._methods = answered, methods

    async def before(self, question: Question) -> Question:
        if question["method"] not in self._methods:
            return question
        self.left -= 1
        if self.left >= 0:
            return question
        self.met += 1
        raise Reply(503, b"<html>not now</html>")


class Forgets(Trouble):
    """Receipts come without their logs, or without some of them, as if nothing had happened in the block."""

    def __init__(self, dice: random.Random, *methods: str) -> None:
        super().__init__()
        self._dice, self._methods = dice, methods or RECEIPTS

    async def after(self, question: Question, answer: Answer) -> Answer:
        result = answer.get("result")
        if question["method"] not in self._methods or not result or self._dice.random() < 0.3:
            return answer
        receipts = result if isinstance(result, list) else [result]
        with_logs = [receipt for receipt in receipts if receipt["logs"]]
        if not with_logs:
            return answer
        self.met += 1
        if self._dice.random() < 0.5:
            forgotten = [{**receipt, "logs": []} for receipt in receipts]
            return {**answer, "result": forgotten if isinstance(result, list) else forgotten[0]}
        kept = self._dice.choice(with_logs)["logs"]
        kept.pop(self._dice.randrange(len(kept)))
        return answer


class NodeProxy:
    """Serves one node to many watchers, each under a path of its own."""

    def __init__(self, upstream: str, port: int) -> None:
        self._upstream = upstream
        self._port = port
        self._troubles: list[Trouble] = []
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    def url_for(self, name: str) -> str:
        return f"http://{HOST}:{self._port}/{name}"

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/{name}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def stop(self) -> None:
        for trouble in self._troubles:
            trouble.end()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[Trouble]:
        """Misbehave for a while."""
        self._troubles.append(trouble)
        try:
            yield trouble
        finally:
            self._troubles.remove(trouble)
            trouble.end()

    async def ask(self, method: str, *params: Any) -> Answer:
        """Ask the node itself."""
        (answer,) = await self._forward([{"jsonrpc": "2.0", "id": 0, "method": method, "params": params}])
        return answer

    async def height_of(self, method: str, params: list[Any]) -> int:
        """Look up the block that a question is about; -1: the node does not know it."""
        if method == "eth_getBlockByNumber":
            return int(params[0], 16)
        at = params[1]["blockHash"] if method in AT_A_HASH else params[0]
        block = (await self.ask("eth_getBlockByHash", at, False))["result"]
        return -1 if block is None else int(block["number"], 16)

    async def _serve(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        questions = asked if isinstance(asked, list) else [asked]
        name = request.match_info["name"]
        try:
            answers = await self._answers(questions, name)
        except Reply as reply:
            return web.Response(
                status=reply.status, body=reply.body, content_type="text/html", headers=reply.headers
            )
        except (aiohttp.ClientError, OSError):  # the node itself is away
            return web.Response(status=502)
        with suppress(ConnectionError):
            return web.json_response(answers if isinstance(asked, list) else answers[0])
        return web.Response(status=499)

    async def _answers(self, questions: list[Question], name: str) -> list[Answer]:
        troubles = [trouble for trouble in self._troubles if trouble.only in {None, name}]
        for trouble in troubles:
            await trouble.before_all(questions)
            questions = [await trouble.before(question) for question in questions]
        answers = await self._forward(questions)
        by_id = {answer["id"]: answer for answer in answers}
        for trouble in troubles:
            for question in questions:
                by_id[question["id"]] = await trouble.after(question, by_id[question["id"]])
        return [by_id[question["id"]] for question in questions]

    async def _forward(self, questions: list[Question]) -> list[Answer]:
        assert self._session is not None
        async with self._session.post(self._upstream, json=questions) as response:
            answers: list[Answer] = await response.json()
        return answers
