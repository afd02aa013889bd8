"""Run a throw-away copy of the chain: an anvil that takes anybody's transactions without a key."""

import asyncio
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path

import msgspec

from pipeline.errors import NodeError
from pipeline.messages.transactions import Call
from pipeline.sign.gas_fees import Fees
from pipeline.units import Address, BlockNumber, Hash, Seconds, Wei
from streams.node.answers import quantity
from streams.node.budget import NodeBudget
from streams.node.port import Header
from streams.node.rpc import parsed
from streams.rehearse.forwarder import forwarding
from streams.submit.node import HttpSenderNode
from streams.supervise import tied_to_us

_LOOPBACK = IPv4Network("127.0.0.0/8")
_READY_FILE = "ready.json"
_READY_S = 20.0
_POLL_S = 0.01
_KEPT_STATES = 300  # without a number anvil writes a megabyte a block to the disk
_LOG_TAIL = 300
_TEXT = msgspec.json.Decoder(str)


class ForkNode(HttpSenderNode):
    """An anvil that can be given commands."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Start with nothing lent."""
        super().__init__(url, timeout_s=timeout_s)
        self.lent_wei: dict[Address, Wei] = {}

    async def impersonate_all(self) -> None:
        """Accept transactions from any sender without a signature."""
        await self._tell("anvil_autoImpersonateAccount", True)  # noqa: FBT003 - as the wire has it

    async def nonce(self, account: Address) -> int:
        """Return the next nonce, after pending transactions."""
        return await self._number("eth_getTransactionCount", account, "pending")

    async def lend(self, account: Address, least_wei: Wei) -> None:
        """Give an account at least an amount of the chain's coin; reported balances leave it out."""
        has_wei = await self._number("eth_getBalance", account, "latest")
        if has_wei < least_wei:
            await self._tell("anvil_setBalance", account, hex(least_wei))
            self.lent_wei[account] = Wei(self.lent_wei.get(account, 0) + least_wei - has_wei)

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Read native balances of accounts after blocks, without what was lent."""
        found = await super().native_balances(questions)
        return [
            None if wei is None else Wei(max(wei - self.lent_wei.get(account, 0), 0))
            for (account, _), wei in zip(questions, found, strict=True)
        ]

    async def transact(self, sender: Address, call: Call, fees: Fees) -> Hash:
        """Queue a transaction for the next block, in the sender's name. Raises: NodeRefusedError, NodeError."""
        answer = await self._rpc.ask(
            "eth_sendTransaction",
            {
                "from": sender,
                "to": call.to,
                "data": call.data,
                "value": hex(call.value_wei),
                "gas": hex(call.gas_limit),
                "maxFeePerGas": hex(fees.max_fee_wei),
                "maxPriorityFeePerGas": hex(fees.tip_wei),
            },
        )
        return Hash(parsed(_TEXT, answer, "eth_sendTransaction"))

    async def mine(self, time_s: Seconds, base_fee_wei: Wei) -> Header:
        """Mine a block of the pending transactions."""
        await self._tell("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        await self._tell("evm_setNextBlockTimestamp", time_s)
        await self._tell("evm_mine")
        return await self.newest()

    async def _number(self, method: str, *params: object) -> int:
        return quantity(parsed(_TEXT, await self._rpc.ask(method, *params), method))

    async def _tell(self, method: str, *params: object) -> None:
        await self._rpc.ask(method, *params)


@asynccontextmanager
async def forked(
    program: Path, url: str, block: BlockNumber, *, timeout_s: float, budget: NodeBudget | None = None
) -> AsyncIterator[ForkNode]:
    """Run an anvil on a free local port that forks another node's chain after a block.

    It ends with the context, or with this process. The URL may hold a key: anvil gets another one, of a `forwarder`. What it asks of
    the node counts for the budget.

    Raises: NodeError if it does not start.
    """
    async with (
        forwarding(url, timeout_s=timeout_s, budget=budget) as keyless,
        _own_anvil(program, keyless, block, timeout_s) as node,
    ):
        await node.impersonate_all()
        yield node


@asynccontextmanager
async def _own_anvil(
    program: Path, url: str, block: BlockNumber, timeout_s: float
) -> AsyncIterator[ForkNode]:
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-fork-"))
    process = None
    try:
        host = _own_host()
        port = _free_port(host)
        process = await _start(program, (host, port), folder, url, block)
        node = ForkNode(f"http://{host}:{port}", timeout_s=timeout_s)
        try:
            await _until_ready(process, node, folder)
            yield node
        finally:
            await node.close()
    finally:
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def _start(
    program: Path, place: tuple[str, int], folder: Path, url: str, block: BlockNumber
) -> asyncio.subprocess.Process:
    host, port = place
    options = {
        "--host": host,
        "--port": port,
        "--accounts": 0,  # or it would endow its own, and they may be ours
        "--order": "fifo",
        "--prune-history": _KEPT_STATES,
        "--fork-url": url,
        "--fork-block-number": block,
    }
    argv = [str(part) for option in options.items() for part in option]
    with (folder / "log").open("wb") as log:
        try:
            return await asyncio.create_subprocess_exec(
                str(program),
                *argv,
                "--no-mining",
                "--no-cors",  # no web page may read what it answers
                "--no-storage-caching",  # or it would keep the chain's state on the disk, beyond its end
                "--silent",
                "--config-out",
                _READY_FILE,
                cwd=folder,
                env={"HOME": str(folder)},  # it keeps answers there: no two forks may share them
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied_to_us(),
            )
        except OSError as error:
            raise NodeError(f"cannot start {program}: {error.strerror}") from None


async def _until_ready(process: asyncio.subprocess.Process, node: ForkNode, folder: Path) -> None:
    """Wait until our own process listens: another process could answer on the port."""
    try:
        async with asyncio.timeout(_READY_S):
            while not (folder / _READY_FILE).exists():
                if process.returncode is not None:
                    raise NodeError(f"anvil ended while starting: {_last_words(folder)}")
                await asyncio.sleep(_POLL_S)
            await node.chain_id()
    except TimeoutError:
        raise NodeError(f"anvil did not start within {_READY_S} s: {_last_words(folder)}") from None


def _last_words(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-_LOG_TAIL:].strip() or "it said nothing"


def _own_host() -> str:
    """Choose a loopback address at random, so that nobody can guess it.

    anvil takes orders from whoever connects, and no rule of origins keeps a web page from opening a WebSocket.
    """
    return str(_LOOPBACK[2 + secrets.randbelow(_LOOPBACK.num_addresses - 4)])


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
