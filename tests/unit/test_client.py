"""web3 over our own connection: one request for a batch, with all guarantees of the connection."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from pipeline.errors import BrokenAnswerError, NodeBusyError, StateGoneError, UnreadableError
from pipeline.units import Address, Hash
from streams.node.client import Client
from streams.node.ens import _node, resolve
from streams.node.rpc import Rpc

AT = Hash("0x" + "ab" * 32)
TOKEN = Address("0x" + "c0" * 20)
KEY = "k3yInThePath"
Reply = Callable[[dict[str, Any]], Any]


class Server:
    """A node with prepared answers, which records the requests."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[list[dict[str, Any]]] = []
        self.fetched: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        questions = asked if isinstance(asked, list) else [asked]
        self.requests.append(questions)
        answers = [{"jsonrpc": "2.0", "id": each["id"], **self.reply(each)} for each in questions]
        return web.json_response(answers if isinstance(asked, list) else answers[0])

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        self.fetched.append(request.path)
        return web.json_response({"data": "0x"})


@asynccontextmanager
async def asking(reply: Reply) -> AsyncIterator[tuple[Client, Server, Rpc]]:
    server = Server(reply)
    app = web.Application()
    app.router.add_post("/" + KEY, server.handle)
    app.router.add_get("/{rest:.*}", server.fetch)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    rpc = Rpc(f"{server.url}{KEY}", timeout_s=5)
    try:
        yield Client(rpc.ask_all, at=AT), server, rpc
    finally:
        await rpc.close()
        await runner.cleanup()


def answer(kinds: list[str], *values: Any) -> dict[str, str]:
    return {"result": "0x" + encode(kinds, values).hex()}


def selector(signature: str) -> str:
    return "0x" + keccak(text=signature)[:4].hex()


def replying(**by_name: dict[str, Any]) -> Reply:
    """Answer functions of ERC-20 by name."""
    known = {selector(f"{name}()"): said for name, said in by_name.items()}
    return lambda question: known[question["params"][0]["data"][:10]]


async def test_what_is_asked_together_is_one_request_at_one_block() -> None:
    async with asking(lambda _: answer(["uint256"], 7)) as (client, server, rpc):
        token = client.contract(TOKEN, "tokens/ERC20")
        told = await client.ask([token.functions.balanceOf(_holder(n)) for n in range(30)])
    assert told == [(7,)] * 30
    (questions,) = server.requests
    assert [question["params"][1] for question in questions] == [{"blockHash": AT}] * 30
    assert (rpc.usage.requests, rpc.usage.questions) == (1, 30)
    assert rpc.usage.received_bytes > 30 * 64


def _holder(n: int) -> str:
    return "0x" + f"{n:040d}"


async def test_what_one_contract_does_not_answer_leaves_the_others() -> None:
    reverted = {"error": {"code": -32000, "message": "execution reverted: no"}}
    reply = replying(decimals=answer(["uint8"], 6), symbol=reverted, name={"result": "0x"})

    def with_code(question: dict[str, Any]) -> Any:
        return {"result": "0x"} if question["method"] == "eth_getCode" else reply(question)

    async with asking(with_code) as (client, _, _):
        functions = client.contract(TOKEN, "tokens/ERC20").functions
        told = await client.ask([functions.decimals(), functions.symbol(), functions.name()])
    assert told[0] == (6,)
    assert str(told[1]) == f"symbol() of {TOKEN} reverts"
    assert str(told[2]) == f"name() of {TOKEN}: no such contract or function"
    assert all(isinstance(each, UnreadableError) for each in told[1:])


async def test_addresses_are_in_lower_case_and_text_stays() -> None:
    pool = "uniswap-v3/UniswapV3Pool"
    mixed = "0x" + "aB" * 20
    async with asking(lambda _: answer(["address"], mixed)) as (client, _, _):
        assert await client.ask([client.contract(TOKEN, pool).functions.token0()]) == [(mixed.lower(),)]
    async with asking(lambda _: answer(["string"], "0xBTC")) as (client, _, _):
        told = await client.ask([client.contract(TOKEN, "tokens/ERC20").functions.symbol()])
        assert told == [("0xBTC",)]


async def test_a_node_in_trouble_is_an_error_of_its_sort_for_everybody_and_without_the_key() -> None:
    busy = {"error": {"code": -32005, "message": f"limit exceeded for {KEY}"}}
    async with asking(lambda _: busy) as (client, server, _):
        functions = client.contract(TOKEN, "tokens/ERC20").functions
        asked = await asyncio.gather(
            functions.decimals().call(), functions.symbol().call(), return_exceptions=True
        )
    assert len(server.requests) == 1
    for error in asked:
        assert isinstance(error, NodeBusyError)
        assert "eth_call: the node is busy" in str(error)
        assert KEY not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("nonsense", ["0xzz", "zz", 7, None, {"a": 1}, ["0x"]])
async def test_what_is_no_bytes_is_the_nodes_fault_and_no_error_of_web3(nonsense: Any) -> None:
    async with asking(lambda _: {"result": nonsense}) as (client, server, _):
        with pytest.raises(BrokenAnswerError, match=r"^eth_call: "):
            await client.ask([client.contract(TOKEN, "tokens/ERC20").functions.decimals()])
        with pytest.raises(BrokenAnswerError, match=r"^eth_getCode: "):
            await resolve(client, ["treasury.eth"])
    assert len(server.requests) == 2


async def test_a_state_that_is_gone_says_nothing_about_the_contract() -> None:
    gone = {"error": {"code": -32000, "message": "missing trie node"}}
    async with asking(lambda _: gone) as (client, _, _):
        with pytest.raises(StateGoneError):
            await client.ask([client.contract(TOKEN, "tokens/ERC20").functions.decimals()])


async def test_a_batch_of_web3_is_one_request() -> None:
    async with asking(lambda _: answer(["uint8"], 6)) as (client, server, _):
        functions = client.contract(TOKEN, "tokens/ERC20").functions
        async with client.w3.batch_requests() as batch:
            batch.add(functions.decimals())
            batch.add(functions.decimals())
            assert await batch.async_execute() == [6, 6]
    assert [len(questions) for questions in server.requests] == [2]


async def test_an_answer_that_nobody_waits_for_any_more_disturbs_no_other() -> None:
    async with asking(lambda _: answer(["uint8"], 6)) as (client, _, _):
        functions = client.contract(TOKEN, "tokens/ERC20").functions
        given_up = asyncio.ensure_future(functions.decimals().call())
        waits = asyncio.ensure_future(functions.decimals().call())
        await asyncio.sleep(0)
        given_up.cancel()
        assert await waits == 6


async def test_what_a_contract_wants_fetched_is_not_fetched() -> None:
    """EIP-3668: a revert may name URLs that a client is to ask. They would learn who asks, and reach into its network."""
    async with asking(lambda _: {}) as (client, server, _):
        server.reply = lambda _: {"error": {"code": 3, "message": "reverted", "data": _lookup(server.url)}}
        (told,) = await client.ask([client.contract(TOKEN, "tokens/ERC20").functions.decimals()])
    assert isinstance(told, UnreadableError)
    assert server.fetched == []


def _lookup(url: str) -> str:
    """Write the revert of EIP-3668, OffchainLookup(sender, urls, callData, callback, extraData)."""
    kinds = ["address", "string[]", "bytes", "bytes4", "bytes"]
    values = (TOKEN, [url + "{sender}/{data}.json"], b"", b"\x01\x02\x03\x04", b"")
    return "0x556f1830" + encode(kinds, values).hex()


async def test_a_number_beyond_a_word_of_the_machine_is_exact() -> None:
    def reply(question: dict[str, Any]) -> Any:
        return {"result": 2**200 + 1} if question["method"] == "odd" else answer(["uint256"], 2**256 - 1)

    async with asking(reply) as (client, _, _):
        token = client.contract(TOKEN, "tokens/ERC20")
        assert await client.ask([token.functions.totalSupply()]) == [(2**256 - 1,)]
        response = await client.w3.provider.make_request("odd", [])
    assert response["result"] == 2**200 + 1


def test_a_name_is_hashed_as_eip_137_says() -> None:
    assert _node("eth").hex() == "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae"
    assert _node("foo.eth").hex() == "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"


@pytest.mark.parametrize(
    "name", ["Ada.eth", "ad\u0430.eth", "a_b.eth", "-a.eth", "a..eth", "ada", "a b.eth", "xn--a\n.eth"]
)
async def test_a_name_that_may_be_taken_for_another_is_not_asked_for(name: str) -> None:
    def reply(question: dict[str, Any]) -> Any:
        return {"result": "0x01"} if question["method"] == "eth_getCode" else answer(["address"], TOKEN)

    async with asking(reply) as (client, server, _):
        assert "only names of a-z" in str((await resolve(client, [name]))[name])
        assert [question["method"] for (question,) in server.requests] == ["eth_getCode"]
        assert await resolve(client, ["ada.eth", "b.ada.eth"]) == {"ada.eth": TOKEN, "b.ada.eth": TOKEN}
    assert [len(questions) for questions in server.requests] == [1, 1, 2, 2]


async def test_a_node_in_trouble_is_not_a_name_without_an_address() -> None:
    async with asking(lambda _: {"error": {"code": -32000, "message": "missing trie node"}}) as (
        client,
        _,
        _,
    ):
        with pytest.raises(StateGoneError):
            await resolve(client, ["ada.eth"])
