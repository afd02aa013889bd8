"""A web page or another user of this machine requests the node's key from a dry-run's fork or its forwarder."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from stepping import SaysNo, proxied

from pipeline.errors import NodeError
from streams.devnet.artifacts import anvil_program
from streams.rehearse.fork import ForkNode, forked
from streams.rehearse.forwarder import forwarding

pytestmark = pytest.mark.anvil

KEY = "s3cretKey0123456789abcdef"
EVIL = {"Origin": "https://evil.example"}


@asynccontextmanager
async def fork_of(chain, cache):
    """Fork a chain through a node whose URL holds a secret."""
    async with proxied(chain) as proxy:
        url = proxy.url_for(KEY)
        async with forked(anvil_program(cache=cache), url, chain.header().number, timeout_s=10) as fork:
            yield fork, proxy


async def post(url: str, *questions: dict, **headers: str) -> tuple[int, object, dict[str, str]]:
    async with aiohttp.ClientSession() as session:
        body = list(questions) if len(questions) > 1 else questions[0]
        async with session.post(url, json=body, headers=headers) as response:
            text = await response.text()
            shown = {name.lower(): value for name, value in response.headers.items()}
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text, shown


def question(method: str, *params: object, id_: int = 1) -> dict:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": list(params)}


def upstream_of(info: object) -> str:
    return info["result"]["forkConfig"]["forkUrl"]


async def test_the_fork_tells_nobody_the_nodes_key(chain, cache):
    async with fork_of(chain, cache) as (fork, _):
        _, info, _ = await post(fork._rpc._url, question("anvil_nodeInfo"))
        assert upstream_of(info).startswith("http://127.0.0.1:")
        _, metadata, _ = await post(fork._rpc._url, question("anvil_metadata"))
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(fork._rpc._url, headers=EVIL) as socket,  # which no rule of origins guards
        ):
            await socket.send_json(question("anvil_nodeInfo"))
            over_socket = await socket.receive_json()
        for told in (info, metadata, over_socket):
            assert KEY not in json.dumps(told)
            assert KEY[:8] not in json.dumps(told)


async def test_a_page_that_tries_the_ports_of_this_machine_does_not_find_the_fork(chain, cache):
    places = set()
    for _ in range(2):
        async with fork_of(chain, cache) as (fork, _):
            assert await fork.newest()
            host, _, port = fork._rpc._url.removeprefix("http://").partition(":")
            places.add(host)
            async with aiohttp.ClientSession() as session:
                for guess in ("127.0.0.1", "localhost", "127.0.1.1"):
                    with pytest.raises(aiohttp.ClientConnectionError):
                        await session.ws_connect(f"ws://{guess}:{port}")
    assert len(places) == 2


async def test_neither_the_command_line_nor_a_file_of_the_fork_holds_the_key(chain, cache):
    async with fork_of(chain, cache) as (fork, _):
        assert await fork.newest()
        (process,) = _processes_of(fork)
        argv = (process / "cmdline").read_bytes().split(b"\0")
        assert b"--no-storage-caching" in argv
        assert KEY.encode() not in b" ".join(argv)
        assert KEY.encode() not in (process / "environ").read_bytes()
        files = [path for path in (process / "cwd").resolve().rglob("*") if path.is_file()]
        assert files
        assert not any(KEY.encode() in path.read_bytes() for path in files)
        assert not any(path.name == "storage.json" for path in files)


def _processes_of(fork: ForkNode) -> list[Path]:
    return [process for process in Path("/proc").glob("[0-9]*") if _runs(process, fork)]


def _runs(process: Path, fork: ForkNode) -> bool:
    try:
        argv = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"--fork-url" in argv and fork._rpc._url.rpartition(":")[2].encode() in argv


async def test_no_web_page_may_read_what_the_fork_or_its_source_answers(chain, cache):
    async with fork_of(chain, cache) as (fork, _):
        _, info, shown = await post(fork._rpc._url, question("anvil_nodeInfo"), **EVIL)
        assert not [name for name in shown if name.startswith("access-control-allow")]
        async with aiohttp.ClientSession() as session:
            asks = {
                **EVIL,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
            }
            async with session.options(fork._rpc._url, headers=asks) as response:
                assert not [
                    name for name in response.headers if name.lower().startswith("access-control-allow")
                ]
        source = upstream_of(info)
        status, _, shown = await post(source, question("eth_chainId"), **EVIL)
        assert status == 403
        assert not [name for name in shown if name.startswith("access-control-allow")]


@pytest.mark.parametrize(
    "method",
    [
        "eth_sendRawTransaction",
        "eth_sendTransaction",
        "eth_sendPrivateTransaction",
        "eth_accounts",
        "eth_sign",
        "personal_unlockAccount",
        "admin_nodeInfo",
        "anvil_nodeInfo",
        "anvil_setBalance",
        "evm_mine",
        "debug_traceTransaction",
    ],
)
async def test_only_questions_that_read_come_through(chain, method):
    async with proxied(chain) as proxy, forwarding(proxy.url_for(KEY), timeout_s=5) as url:
        with proxy.troubled(SaysNo("it came through", method)) as guard:
            _, answer, _ = await post(url, question(method, "0x"))
            assert answer["error"]["code"] == -32601
            _, answers, _ = await post(url, question("eth_chainId"), question(method, "0x", id_=2))
            assert [("result" in each, "error" in each) for each in answers] == [(True, False), (False, True)]
        assert guard.met == 0
        assert int(answers[0]["result"], 16) == chain.chain_id


async def test_who_does_not_know_the_path_or_comes_by_another_name_is_turned_away(chain):
    async with proxied(chain) as proxy, forwarding(proxy.url_for(KEY), timeout_s=5) as url:
        asked = question("eth_chainId")
        assert (await post(url, asked))[0] == 200
        place, _, token = url.rpartition("/")
        other = token[:-1] + (
            "y" if token.endswith("x") else "x"
        )  # it is made at random, and may end like that itself
        assert (await post(f"{place}/{other}", asked))[0] == 403
        assert (await post(f"{place}/", asked))[0] == 404
        port = place.rpartition(":")[2]
        for host in ("evil.example", f"evil.example:{port}", f"localhost:{port}"):
            assert (await post(url, asked, Host=host))[0] == 403
        assert (await post(url, asked, Origin="null"))[0] == 403
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(url, asked)


async def test_a_nodes_error_does_not_carry_its_key_through(chain):
    async with proxied(chain) as proxy, forwarding(proxy.url_for(KEY), timeout_s=5) as url:
        for says in (f"no such project: {KEY}", f"try again at {proxy.url_for(KEY)}"):
            with proxy.troubled(SaysNo(says, "eth_getBalance")) as trouble:
                _, answer, _ = await post(url, question("eth_getBalance", "0x" + "11" * 20, "latest"))
            assert trouble.met == 1
            assert KEY not in json.dumps(answer)


async def test_a_fork_that_cannot_be_made_says_so_without_the_key(chain, cache):
    async with proxied(chain) as proxy:
        gone = 10**9
        with pytest.raises(NodeError) as caught:
            async with forked(anvil_program(cache=cache), proxy.url_for(KEY), gone, timeout_s=10):
                pass
        assert KEY not in str(caught.value)
