"""Notices of new blocks over a websocket: they only trigger a poll, and a silent websocket is reconnected."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from streams.node import head_hints
from streams.node.head_hints import HeadHints, silence_s

HEAD = '{"jsonrpc":"2.0","method":"eth_subscription","params":{"result":{"number":"0x1"}}}'
KEY = "s3cretkey"
Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, *, silence: float = 60.0) -> AsyncIterator[HeadHints]:
    """Listen to a node that answers each connection as given."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked = await socket.receive_json()
        assert (asked["method"], asked["params"]) == ("eth_subscribe", ["newHeads"])
        await serve(socket)
        return socket

    app = web.Application()
    app.router.add_get("/{key}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hints = HeadHints(f"ws://127.0.0.1:{runner.addresses[0][1]}/{KEY}", silence_s=silence)
    task = asyncio.create_task(hints.run_until_cancelled())
    try:
        yield hints
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect anew at once."""
    monkeypatch.setattr(head_hints, "_FIRST_S", 0.01)
    monkeypatch.setattr(head_hints, "_MOST_S", 0.02)


async def test_word_of_a_block_ends_the_wait_and_is_heard() -> None:
    tell = asyncio.Event()

    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"jsonrpc":"2.0","id":1,"result":"0xabc"}')
        await tell.wait()
        await socket.send_str(HEAD)
        await asyncio.Event().wait()

    async with listening(serve) as hints:
        assert not hints.is_heard
        await hints.wait(0.05)
        assert not hints.is_heard, "that it subscribed is no word of a block"
        tell.set()
        await asyncio.wait_for(hints.wait(60), 30)
        assert hints.is_heard
        waits = asyncio.create_task(hints.wait(60))
        await asyncio.sleep(0.05)
        assert not waits.done(), "one word ends one wait"
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)


@pytest.mark.parametrize("how", ["silent", "closed", "no words"])
async def test_one_that_ends_or_says_nothing_is_connected_anew_and_named_without_its_key(how: str) -> None:
    times = 0

    async def serve(socket: web.WebSocketResponse) -> None:
        nonlocal times
        times += 1
        if times < 3 and how == "silent":
            await asyncio.Event().wait()
        elif times < 3 and how == "no words":
            await socket.send_bytes(b"\x00")
        elif times >= 3:
            await socket.send_str(HEAD)
            await asyncio.Event().wait()

    with capture_logs() as logs:
        async with listening(serve, silence=0.2 if how == "silent" else 60.0) as hints:
            await asyncio.wait_for(hints.wait(60), 30)
            assert times >= 3
    told = [each for each in logs if each["event"] == "the websocket for new blocks is reconnected"]
    assert len(told) >= 2
    assert KEY not in str(logs)
    assert told[0]["why"] == ("silent" if how == "silent" else "closed")


async def test_word_that_is_too_long_ago_is_not_heard() -> None:
    now_s = 100.0
    hints = HeadHints("ws://127.0.0.1:1/x", silence_s=36, clock=lambda: now_s)
    hints._heard_at_s = 100.0
    assert hints.is_heard
    now_s = 136.0
    assert not hints.is_heard


def test_silence_is_three_blocks_but_ten_seconds_at_least() -> None:
    assert [silence_s(each) for each in (12_000, 250, None)] == [36.0, 10.0, 60.0]
