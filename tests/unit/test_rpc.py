"""A node that lies, stalls or sends garbage causes a clear error, never with the key in its URL."""

import asyncio
import gzip
import json
import re
import traceback
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from listener import listening

from pipeline.errors import BrokenAnswerError, CallRevertedError, NodeBusyError, NodeError, NodeRefusedError
from streams.node.budget import NodeBudget, RateLimit
from streams.node.rpc import CallRefused, Rpc
from streams.rehearse.forwarder import forwarding

Answer = Callable[[Any], Awaitable[web.StreamResponse]]
KEYS = ("s3cretuser", "p4ssw0rd", "k3yInThePath", "t0kenInTheQuery")


@asynccontextmanager
async def node(answer: Answer, *, timeout_s: float = 5) -> AsyncIterator[Rpc]:
    """A server with prepared answers, and a connection whose URL has keys."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(await request.json())

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    rpc = Rpc(
        f"http://{KEYS[0]}:{KEYS[1]}@127.0.0.1:{port}/v2/{KEYS[2]}?apikey={KEYS[3]}", timeout_s=timeout_s
    )
    try:
        yield rpc
    finally:
        await rpc.close()
        await runner.cleanup()


def answering(make: Callable[[Any], Any], status: int = 200) -> Answer:
    async def answer(questions: Any) -> web.StreamResponse:
        made = make(questions)
        text = made if isinstance(made, str) else json.dumps(made)
        return web.Response(text=text, status=status, content_type="application/json")

    return answer


def echo(question: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": question["id"], "result": question["params"][0]}


async def fails_with(answer: Answer, match: str, *, many: bool = False, timeout_s: float = 5) -> NodeError:
    async with node(answer, timeout_s=timeout_s) as rpc:
        asking = rpc.ask_all([("echo", (1,)), ("echo", (2,))]) if many else rpc.ask("echo", 1)
        with pytest.raises(NodeError, match=match) as caught:
            await asking
    said = "".join(traceback.format_exception(caught.value))
    assert not [key for key in KEYS if key in said]
    return caught.value


async def test_answers_come_in_the_order_of_the_questions() -> None:
    async with node(answering(lambda qs: [echo(q) for q in reversed(qs)])) as rpc:
        outcomes = await rpc.ask_all([("echo", (n,)) for n in range(7)])
    assert [json.loads(bytes(outcome)) for outcome in outcomes] == list(range(7))


async def test_no_request_has_more_questions_than_a_second_may_have_and_each_waits_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    waited_s: list[float] = []

    def noted(questions: Any) -> Any:
        sizes.append(len(questions) if isinstance(questions, list) else 1)
        return [echo(q) for q in questions] if isinstance(questions, list) else echo(questions)

    async def sleep(delay_s: float) -> None:
        waited_s.append(delay_s)

    async with node(answering(noted)) as rpc:
        rpc.budget = NodeBudget(RateLimit(per_second=3, per_day=8), clock=lambda: 5.0)
        monkeypatch.setattr("streams.node.rpc.asyncio.sleep", sleep)
        outcomes = await rpc.ask_all([("echo", (n,)) for n in range(7)])
        monkeypatch.undo()
        assert [json.loads(bytes(outcome)) for outcome in outcomes] == list(range(7))
        assert sorted(sizes) == [1, 3, 3]
        assert waited_s == [1.0, 2.0]
        with pytest.raises(NodeBusyError, match="budget of 8 questions per day is used up"):
            await rpc.ask_all([("echo", (n,)) for n in range(2)])
        assert len(sizes) == 3, "nothing was asked"


async def test_what_is_forwarded_for_a_fork_counts_for_the_budget_of_who_made_it() -> None:
    def answer(questions: Any) -> Any:
        return {"jsonrpc": "2.0", "id": questions["id"], "result": "0x1"}

    budget = NodeBudget(RateLimit(per_day=2))
    asks = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    async with (
        node(answering(answer)) as rpc,
        forwarding(rpc._url, timeout_s=5, budget=budget) as url,
        ClientSession() as fork,
    ):
        statuses = [(await fork.post(url, json=asks)).status for _ in range(3)]
    assert statuses == [200, 200, 503]
    assert budget.asked_in_a_day == 2


async def test_a_long_list_of_questions_goes_out_in_parts() -> None:
    sizes: list[int] = []

    def answer(questions: Any) -> Any:
        sizes.append(len(questions))
        return [echo(q) for q in questions]

    async with node(answering(answer)) as rpc:
        outcomes = await rpc.ask_all([("echo", (n,)) for n in range(120)])
    assert sorted(sizes) == [20, 50, 50]
    assert [json.loads(bytes(outcome)) for outcome in outcomes] == list(range(120))


async def test_no_questions_no_request() -> None:
    async with node(answering(lambda _: "nobody asks")) as rpc:
        assert await rpc.ask_all([]) == []


async def test_a_refusal_of_one_question_leaves_the_others() -> None:
    def answer(questions: Any) -> Any:
        no = {"id": 0, "error": {"code": 3, "message": "execution reverted"}}
        return [no, echo(questions[1])]

    async with node(answering(answer)) as rpc:
        first, second = await rpc.ask_all([("echo", (1,)), ("echo", (2,))])
    assert isinstance(first, CallRefused)
    assert isinstance(first.error, CallRevertedError)
    assert str(first.error) == "echo: execution reverted (3), HTTP 200"
    assert bytes(second) == b"2"


async def test_a_refusal_is_told_apart_from_silence() -> None:
    error = await fails_with(
        answering(lambda q: {"id": q["id"], "error": {"code": -32000, "message": "no such state"}}),
        r"echo: no such state \(-32000\)",
    )
    assert isinstance(error, NodeRefusedError)


async def test_null_is_a_result() -> None:
    async with node(answering(lambda q: {"id": q["id"], "result": None})) as rpc:
        assert bytes(await rpc.ask("echo", 1)) == b"null"


async def test_neither_result_nor_error_is_a_refusal() -> None:
    await fails_with(answering(lambda q: {"id": q["id"]}), "neither a result nor an error")


async def test_a_node_that_wants_a_pause_is_not_asked_before_it_is_over() -> None:
    asked = 0

    async def limited(_: Any) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(status=429, headers={"Retry-After": "1"} if asked == 1 else {})

    async with node(limited) as rpc:
        for _ in range(3):
            with pytest.raises(NodeBusyError, match=r"HTTP 429|wants no questions for 1 s \(Retry-After\)"):
                await rpc.ask("echo", 1)
        assert asked == 1
        while asked == 1:
            with pytest.raises(NodeBusyError):
                await rpc.ask("echo", 1)
            await asyncio.sleep(0.05)
        with pytest.raises(NodeBusyError):
            await rpc.ask("echo", 1)
        assert asked == 3, "without the header, whoever asks decides"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_busy_node_is_no_refusal(status: int) -> None:
    error = await fails_with(
        answering(lambda q: {"id": q["id"], "error": {"code": 1, "message": "busy"}}, status), str(status)
    )
    assert not isinstance(error, NodeRefusedError)


async def test_a_limit_is_no_refusal() -> None:
    error = await fails_with(
        answering(lambda q: {"id": q["id"], "error": {"code": -32005, "message": "limit exceeded"}}), "busy"
    )
    assert not isinstance(error, NodeRefusedError)


@pytest.mark.parametrize(
    "body", ["<html>k3yInThePath</html>", "", "nul", '{"id": "seven"}', "[1, 2]", '{"id":0,"result":', "\xff"]
)
async def test_what_is_no_json_rpc_is_an_error(body: str) -> None:
    await fails_with(answering(lambda _: body), "echo")


async def test_a_page_instead_of_an_answer_names_its_status() -> None:
    await fails_with(answering(lambda _: "<html>who are you</html>", 403), "HTTP 403")


@pytest.mark.parametrize("ids", [[0], [0, 0], [0, 1, 1], [0, 2], [0, None], []], ids=lambda ids: f"ids {ids}")
async def test_missing_and_strange_answers_are_an_error(ids: list[int | None]) -> None:
    await fails_with(answering(lambda _: [{"id": i, "result": 1} for i in ids]), "2 questions", many=True)


REFUSED_BATCHES: dict[str, Callable[[list[Any]], Any]] = {
    "one error for all": lambda _: {"id": None, "error": {"code": -32600, "message": "batch not allowed"}},
    "one error in a list": lambda _: [{"id": 0, "error": {"code": -32600, "message": "batch too large"}}],
    "an error for each": lambda qs: [
        {"id": q["id"], "error": {"code": -32600, "message": "batch requests are limited"}} for q in qs
    ],
    "an answer too large": lambda qs: [
        echo(qs[0]),
        *({"id": q["id"], "error": {"code": -32003, "message": "response too large"}} for q in qs[1:]),
    ],
}


@pytest.mark.parametrize("most", [1, 7, 30])
@pytest.mark.parametrize("refusal", REFUSED_BATCHES.values(), ids=REFUSED_BATCHES.keys())
async def test_a_refused_batch_is_asked_in_smaller_ones(refusal: Callable[[Any], Any], most: int) -> None:
    sizes: list[int] = []

    def answer(questions: Any) -> Any:
        if not isinstance(questions, list):
            return echo(questions)
        sizes.append(len(questions))
        return [echo(q) for q in questions] if len(questions) <= most else refusal(questions)

    async with node(answering(answer)) as rpc:
        for _ in range(2):
            outcomes = await rpc.ask_all([("echo", (n,)) for n in range(120)])
            assert [json.loads(bytes(outcome)) for outcome in outcomes] == list(range(120))
            first, sizes[:] = list(sizes), []
    assert not [size for size in first if size > most], "the second time it is known what the node takes"


async def test_a_request_that_a_gateway_finds_too_large_is_asked_in_smaller_ones() -> None:
    async def answer(questions: Any) -> web.StreamResponse:
        if isinstance(questions, list) and len(questions) > 10:
            return web.Response(status=413, text="<html>413 Request Entity Too Large</html>")
        made = [echo(q) for q in questions] if isinstance(questions, list) else echo(questions)
        return web.json_response(made)

    async with node(answer) as rpc:
        outcomes = await rpc.ask_all([("echo", (n,)) for n in range(60)])
    assert [json.loads(bytes(outcome)) for outcome in outcomes] == list(range(60))


async def test_batches_grow_again_once_they_are_no_longer_refused() -> None:
    refuses, largest = True, 0

    def answer(questions: Any) -> Any:
        nonlocal largest
        if not isinstance(questions, list):
            return echo(questions)
        if refuses and len(questions) > 1:
            return REFUSED_BATCHES["one error for all"](questions)
        largest = max(largest, len(questions))
        return [echo(q) for q in questions]

    async with node(answering(answer)) as rpc:
        await rpc.ask_all([("echo", (n,)) for n in range(50)])
        refuses, largest = False, 0
        for _ in range(100):
            await rpc.ask_all([("echo", (n,)) for n in range(50)])
    assert largest > 10


async def test_one_busy_answer_of_many_fails_all_of_them() -> None:
    """Nothing that is read from such a batch may look like a fact."""

    def answer(questions: Any) -> Any:
        return [echo(questions[0]), {"id": 1, "error": {"code": 429, "message": "slow down"}}]

    error = await fails_with(
        answering(answer), r"echo: the node is busy: slow down \(429\), HTTP 200", many=True
    )
    assert isinstance(error, NodeBusyError)


async def test_an_error_that_is_only_a_sentence_is_sorted_too() -> None:
    error = await fails_with(answering(lambda q: {"id": q["id"], "error": "Too Many Requests"}), "busy")
    assert isinstance(error, NodeBusyError)


async def test_a_web_page_in_place_of_an_answer_is_a_busy_gateway() -> None:
    error = await fails_with(
        answering(lambda _: "<html>checking your browser</html>"), "HTTP 200 with a web page"
    )
    assert isinstance(error, NodeBusyError)


async def test_a_stalled_node_is_given_up() -> None:
    async def stall(_: Any) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError

    began = asyncio.get_running_loop().time()
    await fails_with(stall, "no answer within 0.2 s", timeout_s=0.2)
    assert asyncio.get_running_loop().time() - began < 20


async def test_a_node_that_is_not_there() -> None:
    async with node(answering(echo)) as there:
        url = there._url
    rpc = Rpc(url, timeout_s=2)
    with pytest.raises(NodeError, match="no answer") as caught:
        await rpc.ask("echo", 1)
    await rpc.close()
    assert not [key for key in KEYS if key in "".join(traceback.format_exception(caught.value))]


@pytest.mark.parametrize(
    ("scheme", "says"),
    [
        ("http", "no answer from 127.0.0.1:{port}: connection refused"),
        ("https", "no answer from .*: TLS fails"),
    ],
)
async def test_an_error_of_the_connection_names_the_node_and_the_reason(scheme: str, says: str) -> None:
    async with node(answering(echo)) as there:
        port = urlsplit(there._url).port
        if scheme == "https":
            await _fails_at(f"https://127.0.0.1:{port}/{KEYS[0]}", says)
    if scheme == "http":
        await _fails_at(f"http://127.0.0.1:{port}/{KEYS[0]}", says.format(port=port))


async def test_a_host_of_this_machine_is_named_as_it_is_written() -> None:
    for host in ("[::1]", "localhost", "127.0.0.2"):
        await _fails_at(f"http://{host}:1/{KEYS[0]}", re.escape(f"no answer from {host}:1: "))


async def test_a_host_without_an_address_is_named() -> None:
    await _fails_at(
        f"http://no-such-host.invalid/{KEYS[0]}", "from no-such-host.invalid:80: its name does not resolve"
    )


async def test_a_node_that_hangs_up_in_the_middle_is_named() -> None:
    async def hangs_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        pass

    async with listening(hangs_up) as port:
        await _fails_at(f"http://127.0.0.1:{port}/{KEYS[0]}", f"from 127.0.0.1:{port}: ")


async def _fails_at(url: str, says: str) -> None:
    rpc = Rpc(url, timeout_s=5)
    try:
        with pytest.raises(NodeBusyError, match=f"^echo: .*{says}") as caught:
            await rpc.ask("echo", 1)
    finally:
        await rpc.close()
    assert KEYS[0] not in "".join(traceback.format_exception(caught.value))


async def test_an_answer_to_another_question_is_broken() -> None:
    error = await fails_with(
        answering(lambda _: {"id": 424_242, "result": "0x1"}), "echo: the answer is to another"
    )
    assert isinstance(error, BrokenAnswerError)


@pytest.mark.parametrize("key", KEYS)
async def test_an_error_that_quotes_a_key_is_shown_without_it(key: str) -> None:
    message = f"bad key {key} for https://{key}.example/{key}"
    error = await fails_with(
        answering(lambda q: {"id": q["id"], "error": {"code": 1, "message": message}}), r"\*\*\*"
    )
    assert "bad key" in str(error)


async def test_a_long_reason_is_cut() -> None:
    error = await fails_with(
        answering(lambda q: {"id": q["id"], "error": {"code": 1, "message": "x" * 10_000}}), "xxx"
    )
    assert len(str(error)) < 300


# ------------------------------------------------------------------ answers that are too much
SMALL = 1 << 16


async def asked_of(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """Ask one question of a server, with a small limit."""
    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    rpc = Rpc(f"http://127.0.0.1:{runner.addresses[0][1]}/", timeout_s=5, most_bytes=SMALL)
    try:
        return await rpc.ask("echo", 1)
    finally:
        await rpc.close()
        await runner.cleanup()


def result(text: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "result": text}).encode()


async def test_an_answer_without_an_end_is_cut_off_at_the_limit() -> None:
    sent = 0

    async def babble(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while sent < 1 << 28:
                await response.write(b" " * 65_536)
                sent += 65_536
        return response

    with pytest.raises(NodeError, match=f"echo: the answer is longer than {SMALL} bytes"):
        await asked_of(babble)
    assert sent < 1 << 26


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_answer_counts_as_long_as_it_is_unpacked(encoding: str) -> None:
    async def reply(text: str) -> Any:
        body = gzip.compress(result(text)) if encoding == "gzip" else zlib.compress(result(text))

        async def pack(request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, headers={"Content-Encoding": encoding})

        return await asked_of(pack)

    assert bytes(await reply("x" * (SMALL - 100))) == b'"' + b"x" * (SMALL - 100) + b'"'
    with pytest.raises(NodeError, match="longer than"):
        await reply("x" * (1 << 24))


async def test_an_answer_in_an_unknown_or_broken_packing_is_refused() -> None:
    async def brotli(request: web.Request) -> web.StreamResponse:
        return web.Response(body=result("x"), headers={"Content-Encoding": "br"})

    async def torn(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"})

    with pytest.raises(NodeError, match="nobody asked for"):
        await asked_of(brotli)
    with pytest.raises(NodeError, match="cannot be unpacked"):
        await asked_of(torn)


async def test_a_redirect_is_not_followed() -> None:
    reached = 0

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        nonlocal reached
        if request.query.get("again"):
            reached += 1
            return web.Response(body=result("x"))
        raise web.HTTPTemporaryRedirect("/?again=1")

    with pytest.raises(NodeError, match="HTTP 307"):
        await asked_of(elsewhere)
    assert reached == 0


async def test_an_answer_nested_without_end_is_no_answer() -> None:
    async def nest(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"jsonrpc":"2.0","id":0,"result":' + b"[" * 60_000)

    with pytest.raises(NodeError, match="no JSON-RPC"):
        await asked_of(nest)
