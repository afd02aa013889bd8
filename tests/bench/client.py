"""The cost of a frequent call: the present client compared with the one before web3 used it, in one run.

The node is a process of its own that answers from memory; what is counted is the client's processor time. The two take
turns, so that a busy machine slows both. Nothing here writes or needs a chain.
"""

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from pipeline.units import Hash
from streams.node.client import Client
from streams.node.rpc import Rpc

BEFORE = "b5779a2"
"""The last commit whose client knew nothing of web3."""
ROOT = Path(__file__).parents[2]
ROUNDS, MUST = 30, 0.95
ADDRESS, HASH = "0x" + "c0" * 20, Hash("0x" + "ab" * 32)
LOG = {
    "address": ADDRESS,
    "topics": [HASH] * 3,
    "data": "0x" + "00" * 160,
    "logIndex": "0x1",
    "transactionHash": HASH,
    "transactionIndex": "0x1",
    "blockHash": HASH,
    "blockNumber": "0x1",
}
RECEIPT = {
    "transactionHash": HASH,
    "transactionIndex": "0x1",
    "blockHash": HASH,
    "blockNumber": "0x1",
    "from": ADDRESS,
    "to": ADDRESS,
    "gasUsed": "0x5208",
    "cumulativeGasUsed": "0x5208",
    "status": "0x1",
    "effectiveGasPrice": "0x1",
    "logsBloom": "0x" + "00" * 256,
    "type": "0x2",
    "logs": [LOG] * 4,
}
BLOCK = {
    "number": "0x1",
    "hash": HASH,
    "parentHash": HASH,
    "timestamp": "0x1",
    "logsBloom": "0x" + "00" * 256,
    "baseFeePerGas": "0x1",
    "transactions": [HASH] * 200,
}
ANSWERS = {
    "eth_getBlockByNumber": BLOCK,
    "eth_getBlockReceipts": [RECEIPT] * 200,
    "eth_getBalance": "0x1bc16d674ec80000",
    "eth_call": "0x" + "00" * 32 * 300,
}
HOT: dict[str, tuple[str, tuple[Any, ...], int, int]] = {
    "a head": ("eth_getBlockByNumber", ("latest", False), 1, 100),
    "50 balances": ("eth_getBalance", (ADDRESS, {"blockHash": HASH}), 50, 60),
    "300 reads in one call": ("eth_call", ({"to": ADDRESS, "data": "0x"}, {"blockHash": HASH}), 1, 100),
    "receipts of a full block": ("eth_getBlockReceipts", (HASH,), 1, 10),
}
"""What: method, parameters, questions at once, how many times in a round."""


# ------------------------------------------------------------------ the node
async def serve() -> None:
    ready = {method: msgspec.json.encode(answer) for method, answer in ANSWERS.items()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                asked = msgspec.json.decode(await reader.readexactly(length))
                many = asked if isinstance(asked, list) else [asked]
                parts = [
                    b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (each["id"], ready[each["method"]])
                    for each in many
                ]
                body = b"[" + b",".join(parts) + b"]" if isinstance(asked, list) else parts[0]
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(body) + body)
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def node() -> Iterator[str]:
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.terminate()


# ------------------------------------------------------------------ the two clients
def before() -> type[Any]:
    """Load the client of that commit, whose dependencies have only moved since."""
    shown = subprocess.run(
        ["git", "show", f"{BEFORE}:streams/chain/rpc.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    module = types.ModuleType("rpc_before")
    exec(shown.stdout.replace("streams.chain.", "streams.node."), module.__dict__)  # noqa: S102 - our own, of git
    found: type[Any] = module.Rpc
    return found


async def spent_us(times: int, ask: Callable[[], Awaitable[Any]]) -> float:
    began_s = time.process_time()
    for _ in range(times):
        await ask()
    return (time.process_time() - began_s) / times * 1e6


async def compare(was: Any, now: Any, name: str) -> float:
    """Measure one kind of call, first the one and then the other, and say it. The ratio is above 1 where it got faster."""
    method, params, count, times = HOT[name]
    questions = [(method, params)] * count
    assert list(map(bytes, await was.ask_all(questions))) == list(map(bytes, await now.ask_all(questions)))
    spent: dict[Any, list[float]] = {was: [], now: []}
    for context in range(ROUNDS):
        for rpc in (was, now) if context % 2 else (now, was):
            spent[rpc].append(await spent_us(times, partial(rpc.ask_all, questions)))
    old_us, new_us = (statistics.median(each) for each in spent.values())
    ratio = statistics.median(old / new for old, new in zip(*spent.values(), strict=True))
    print(f"{name:<26} {old_us:9.0f} us before {new_us:9.0f} us now   ratio {ratio:.2f}")
    return ratio


async def main() -> int:
    with node() as url:
        was, now = before()(url, timeout_s=10), Rpc(url, timeout_s=10)
        try:
            ratios = [await compare(was, now, name) for name in HOT]
            web3 = Client(now.ask_all, at=HASH).w3
            hot_us = await spent_us(100, lambda: now.ask("eth_getBlockByNumber", "latest", False))
            cold_us = await spent_us(100, lambda: web3.eth.get_block("latest"))
            print(f"a head by web3's formatters {cold_us:8.0f} us, by the connection itself {hot_us:.0f} us")
        finally:
            await was.close()
            await now.close()
    print(f"worst ratio {min(ratios):.2f}, must be {MUST} at least")
    return 0 if min(ratios) >= MUST else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        sys.exit(asyncio.run(main()))
