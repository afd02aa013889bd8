"""Run a real chain on this machine: anvil, mined in lock-step."""

import gzip
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from pipeline.errors import DevnetError
from streams.node.blocking_rpc import BlockingRpc, RpcRefusedError

from . import processes
from .artifacts import anvil_program
from .cache import DEFAULT_CACHE
from .ports import HOST, free_port, is_free
from .transactions import DevnetReceipt, Tx, parse_receipt

CHAIN_ID = 31_337
USUAL_PORT = 8545
BLOCK_S = 12
GENESIS_AT_S = 1_767_225_600  # 2026-01-01: fixed, or no two runs were equal
KEPT_STATES = 300  # blocks that can be read or rolled back; without it anvil fills the disk
ACCOUNTS = 20
ETHER_PER_ACCOUNT = 1_000_000
_READY_FILE = "anvil.json"
_READY_S = 20.0
_POLL_S = 0.01
_START_TRIES = 3


class DevnetBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block of the devnet, as far as driving it needs."""

    number: int
    hash: str
    parent_hash: str
    timestamp_s: int
    base_fee_wei: int
    gas_used: int
    gas_limit: int


@dataclass(eq=False)
class Chain:
    """One anvil with its files in a folder. It mines only when `mine` is called."""

    folder: Path
    port: int
    argv: list[str] = field(repr=False)
    rpc: BlockingRpc = field(repr=False)
    chain_id: int = CHAIN_ID
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "anvil.log"

    @property
    def _ready(self) -> Path:
        return self.folder / _READY_FILE

    def start(self, *, within_s: float = _READY_S) -> None:
        """Start anvil and wait until it answers.

        Raises: DevnetError with the end of its log if it ends or stays silent.
        """
        self._ready.unlink(missing_ok=True)
        home = {"HOME": str(self.folder)}  # it keeps files there, by chain id: never shared with another
        self.process = processes.spawn(self.argv, folder=self.folder, log=self.log, env=home)
        deadline_s = time.monotonic() + within_s
        while not self._answers():
            if self.process.poll() is not None:
                raise DevnetError(f"anvil ended while starting:\n{processes.last_lines(self.log)}")
            if time.monotonic() > deadline_s:
                self.kill()
                raise DevnetError(
                    f"anvil did not answer within {within_s} s:\n{processes.last_lines(self.log)}"
                )
            time.sleep(_POLL_S)

    def header(self, block: int | str = "latest") -> DevnetBlock:
        """Read a block's header by number, hash or tag."""
        tag = hex(block) if isinstance(block, int) else block
        by = (
            "eth_getBlockByHash"
            if tag.startswith("0x") and len(tag) == len("0x") + 64
            else "eth_getBlockByNumber"
        )
        raw = self.rpc(by, tag, False)  # noqa: FBT003 - on the wire: hashes, not whole transactions
        if raw is None:
            raise DevnetError(f"the devnet has no block {block}")
        return _header(raw)

    def send(self, tx: Tx) -> str:
        """Queue a transaction for the next block, after those already there; return its hash."""
        sent: str = self.rpc("eth_sendTransaction", tx.request())
        return sent

    def mine(self, *, base_fee_wei: int | None = None) -> DevnetBlock:
        """Mine exactly one block with what is queued."""
        if base_fee_wei is not None:
            self.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        self.rpc("evm_mine")
        return self.header()

    def receipt(self, tx_hash: str) -> DevnetReceipt:
        """Return what became of a mined transaction.

        Raises: DevnetError if it is in no block.
        """
        raw = self.rpc("eth_getTransactionReceipt", tx_hash)
        if raw is None:
            raise DevnetError(f"transaction {tx_hash} is in no block")
        return parse_receipt(raw)

    def execute(self, *txs: Tx) -> tuple[DevnetReceipt, ...]:
        """Send transactions and mine them into one block.

        Raises: DevnetError with the reason if one fails.
        """
        hashes = [self.send(tx) for tx in txs]
        self.mine()
        receipts = tuple(self.receipt(tx_hash) for tx_hash in hashes)
        for tx, receipt in zip(txs, receipts, strict=True):
            if not receipt.succeeded:
                raise DevnetError(f"a transaction to {tx.to or 'a new contract'} failed: {self._reason(tx)}")
        return receipts

    def call(self, to: str, data: str, *, sender: str | None = None, block: int | str = "latest") -> str:
        """Ask a contract without a transaction; the answer is 0x-hex."""
        tag = hex(block) if isinstance(block, int) else block
        request = {"to": to, "data": data} | ({"from": sender} if sender else {})
        answer: str = self.rpc("eth_call", request, tag)
        return answer

    def rollback(self, depth: int) -> DevnetBlock:
        """Take the last blocks away, their transactions with them; return the new head.

        anvil keeps the base fee of the lost head for the next block, so it is set as the new head demands.
        """
        self.rpc("anvil_rollback", depth)
        head = self.header()
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(next_base_fee_wei(head)))
        return head

    def reorg(self, depth: int, *, blocks: int | None = None) -> DevnetBlock:
        """Replace the last `depth` blocks by other, empty ones, one more than before unless told; return the head."""
        fork = self.rollback(depth)
        # one wei more, or an empty block would be the one just removed
        head = self.mine(base_fee_wei=next_base_fee_wei(fork) + 1)
        for _ in range((depth + 1 if blocks is None else blocks) - 1):
            head = self.mine()
        return head

    def dump(self, state: Path) -> None:
        """Write the chain to a file that `start_chain` takes."""
        raw: str = self.rpc("anvil_dumpState")
        state.write_bytes(gzip.decompress(bytes.fromhex(raw.removeprefix("0x"))))

    def stop(self) -> None:
        self.rpc.close()
        if self.process is not None:
            processes.stop(self.process)

    def kill(self) -> None:
        self.rpc.close()
        if self.process is not None:
            processes.kill(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        # it writes this file when it listens; that the port answers alone could be another one's doing
        if not self._ready.exists():
            return False
        try:
            return bool(int(self.rpc("eth_chainId"), 16) == self.chain_id)
        except DevnetError:
            return False

    def _reason(self, tx: Tx) -> str:
        try:
            self.rpc("eth_call", tx.request(), "latest")
        except RpcRefusedError as error:
            return str(error)
        return "it succeeds now: it lacked gas, or depends on its block"


def start_chain(
    folder: Path,
    *,
    cache: Path = DEFAULT_CACHE,
    usual_port: int | None = None,
    state: Path | None = None,
    chain_id: int = CHAIN_ID,
    kept_states: int = KEPT_STATES,
) -> Chain:
    """Start a chain, empty or from a state that `Chain.dump` wrote, of which the states of a number of blocks can be read.

    Raises: DevnetError if anvil cannot be had or does not start.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    program = anvil_program(cache=cache)
    for attempt in range(_START_TRIES):
        port = free_port(usual_port if attempt == 0 else None)
        argv = _command(program, port, state, chain_id, kept_states)
        chain = Chain(folder=folder, port=port, argv=argv, rpc=BlockingRpc(HOST, port), chain_id=chain_id)
        try:
            chain.start()
        except DevnetError:
            if attempt == _START_TRIES - 1 or is_free(port):
                raise
        else:
            chain.rpc("anvil_setBlockTimestampInterval", BLOCK_S)
            if state is not None:  # anvil would begin again at its genesis
                chain.rpc("evm_setNextBlockTimestamp", chain.header().timestamp_s + BLOCK_S)
            return chain
    raise AssertionError


def next_base_fee_wei(head: DevnetBlock) -> int:
    """Return what EIP-1559 demands of the block after this one."""
    target = head.gas_limit // 2
    change = head.base_fee_wei * abs(head.gas_used - target) // target // 8
    if head.gas_used > target:
        return head.base_fee_wei + max(change, 1)
    return head.base_fee_wei - change


def _command(program: Path, port: int, state: Path | None, chain_id: int, kept_states: int) -> list[str]:
    options = {
        "--host": HOST,
        "--port": port,
        "--chain-id": chain_id,
        "--accounts": ACCOUNTS,
        "--balance": ETHER_PER_ACCOUNT,
        "--timestamp": GENESIS_AT_S,
        "--order": "fifo",
        "--prune-history": kept_states,
        "--config-out": _READY_FILE,
        **({"--load-state": state.resolve()} if state else {}),
    }
    return [
        str(program),
        "--no-mining",
        "--silent",
        *(str(part) for item in options.items() for part in item),
    ]


def _header(raw: dict[str, Any]) -> DevnetBlock:
    return DevnetBlock(
        number=int(raw["number"], 16),
        hash=raw["hash"],
        parent_hash=raw["parentHash"],
        timestamp_s=int(raw["timestamp"], 16),
        base_fee_wei=int(raw["baseFeePerGas"], 16),
        gas_used=int(raw["gasUsed"], 16),
        gas_limit=int(raw["gasLimit"], 16),
    )
