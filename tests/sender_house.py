"""A deployment with a chain, a broker and signers' processes, on which tests write intents themselves."""

import asyncio
import itertools
import os
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chaos.tail import Tail
from eth_account import Account
from intents import intent, wide_budget
from kafka_logs import append, read_committed
from signer_limits import signer_limits

from pipeline.messages.base import BlockRef
from pipeline.messages.events import Dropped, IntentRefused
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds
from pipeline.venues.abi import function
from streams.devnet.chain import Chain, DevnetBlock
from streams.devnet.world import DevnetPool, World
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_event, decode_journal, encode
from streams.kafka.topics import EVENTS, INTENTS, NONCES, ensure_topics
from streams.submit.journal_commands import begin_journal
from streams.submit.limits import SignerLimits
from streams.submit.node import HttpSenderNode
from streams.submit.serve import run_submit
from streams.submit.signer import LocalSigner
from streams.submit.submit_timing import SubmitTiming
from streams.submit.venues.uniswap_v3.terms import PricedPool, References

CHAIN_IDS = itertools.count(9_700_000 + os.getpid() % 1000 * 100)
PARTITIONS = 2
TIMING = SubmitTiming(poll_s=0.05, soon_s=0.02, wait_s=3.0, strange_looks=2)
ROUTER = "uniswap-v3/SwapRouter02"
MANAGER = "uniswap-v3/NonfungiblePositionManager"
PASTLESS = "weth_usdc_low_3000"
"""A pool that keeps one observation only."""
ROOMY = {"max_spot_from_twap_log_bps": 1_500, "max_share_of_depth_bps": 10_000, "swap_tolerance_bps": 100}
"""For stories that a pushed price begins: what a signer says to it has tests of its own."""
_PAST_BLOCKS = 20
_NO_ANSWER = {None, "Simulated", "Signed"}
_PHRASE = "test test test test test test test test test test test junk"


def signer_of(address: str) -> LocalSigner:
    """Make a signer for one of anvil's accounts, on any chain of a test."""
    Account.enable_unaudited_hdwallet_features()
    for index in range(20):
        account = Account.from_mnemonic(_PHRASE, account_path=f"m/44'/60'/0'/0/{index}")
        if account.address.lower() == address:
            return LocalSigner(account)
    raise AssertionError(address)


def priced_pool(pool: DevnetPool) -> PricedPool:
    return PricedPool(
        address=Address(pool.address),
        token0=Address(pool.token0),
        token1=Address(pool.token1),
        fee_pips=pool.fee_pips,
    )


def limits_of(world: World, **changes: Any) -> SignerLimits:
    usual: dict[str, Any] = {
        "router": world.router,
        "position_manager": world.position_manager,
        "wrapped_native": world.weth,
        "pools": tuple(priced_pool(pool) for name, pool in world.pools.items() if name != PASTLESS),
        "references": References(may_be_single=True),
        "budget": wide_budget(world.weth),
        "twap_window_s": 60,
        "final_depth_blocks": 4,
        "bump_after_blocks": 2,
    }
    return signer_limits(**(usual | changes))


class SenderHouse:
    """A deployment on the shared broker with a chain of its own."""

    def __init__(self, bootstrap: str, chain: Chain, world: World, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.chain = chain
        self.chain_id = chain.chain_id
        self.node_url = chain.url
        self.world = world
        self.folder = folder
        self.owner = world.accounts.owners[0]
        self.signer = signer_of(self.owner)
        self.limits = limits_of(world)
        self.children: list[int] = []
        self._numbers = itertools.count(1)
        self._heard = Heard(bootstrap, EVENTS.on(ChainId(chain.chain_id)))
        chain.rpc("anvil_mine", hex(_PAST_BLOCKS), hex(12))  # the world's liquidity is as old as a window
        if bootstrap:
            asyncio.run(ensure_topics(KafkaAccess(bootstrap), ChainId(self.chain_id), PARTITIONS))
            asyncio.run(self.begin())

    async def begin(self) -> None:
        """Begin the signer's journal, because its account was used during the set-up."""
        node = HttpSenderNode(self.chain.url, timeout_s=10)
        try:
            await begin_journal(
                KafkaAccess(self.bootstrap),
                ChainId(self.chain_id),
                partitions=PARTITIONS,
                node=node,
                signer=self.signer,
            )
        finally:
            await node.close()

    # -------------------------------------------------------------- processes
    def start(self, *, kill_at: str | None = None, stop_at: str | None = None, **changes: Any) -> int:
        """Fork a process that serves the signer, which may kill or stop itself at a point."""
        pid = os.fork()
        if pid:
            self.children.append(pid)
            return pid
        code = 0
        try:
            sys.stdout = sys.stderr = (self.folder / "submit.log").open("a", buffering=1)
            asyncio.run(self.run(_reach(kill_at, stop_at), **changes))
        except BaseException:  # noqa: BLE001 - a child tells its end by its code
            traceback.print_exc()
            code = 1
        finally:
            sys.stderr.flush()
            os._exit(code)

    async def run(self, reach: Callable[[str], None] = lambda _: None, **changes: Any) -> None:
        usual: dict[str, Any] = {
            "kafka": KafkaAccess(self.bootstrap),
            "chain_id": self.chain_id,
            "partitions": PARTITIONS,
            "node": HttpSenderNode(self.chain.url, timeout_s=10),
            "instance": f"p{os.getpid()}",
            "signer": self.signer,
            "limits": self.limits,
            "timing": TIMING,
            "reach": reach,
        }
        await run_submit(**(usual | changes))

    def wait_end(self, pid: int, within_s: float = 90) -> int:
        """Wait for a child's end, and return its exit code, negative for a signal."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self.children.remove(pid)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        raise AssertionError(f"{pid} does not end:\n{self.log()}")

    def stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        assert self.wait_end(pid) == 0, self.log()

    def end(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._heard.close()

    def log(self) -> str:
        path = self.folder / "submit.log"
        return path.read_text() if path.exists() else ""

    # -------------------------------------------------------------- intents
    def head(self) -> BlockRef:
        return block_ref(self.chain.header())

    def intent(self, to: str, data: str, **changes: Any) -> SubmitTransaction:
        number = next(self._numbers)
        usual: dict[str, Any] = {
            "digest": number,
            "made_at": self.head(),
            "offset": number,
            "signer": self.owner,
            "to": to,
            "data": data,
            "position": f"position/{self.world.position_manager}/{number}",
        }
        return intent(**(usual | changes))

    def deposit(self, amount_wei: int = 10**18, **changes: Any) -> SubmitTransaction:
        data = function("tokens/WETH9", "deposit").calldata()
        return self.intent(self.world.weth, data, value_wei=amount_wei, gas_limit=60_000, **changes)

    def approve(
        self, token: str, amount: int, spender: str | None = None, **changes: Any
    ) -> SubmitTransaction:
        data = function("tokens/ERC20", "approve").calldata(spender or self.world.router, amount)
        return self.intent(token, data, gas_limit=80_000, **changes)

    def swap(
        self,
        token_in: str,
        amount_in: int,
        least_out: int,
        *,
        pool: str = "weth_usdc_low_500",
        recipient: str | None = None,
        **changes: Any,
    ) -> SubmitTransaction:
        place = self.world.pool(pool)
        token_out = place.token1 if token_in == place.token0 else place.token0
        terms = (token_in, token_out, place.fee_pips, recipient or self.owner, amount_in, least_out, 0)
        inner = function(ROUTER, "exactInputSingle").encode(terms)
        outer = "0x" + (bytes.fromhex("5ae401dc") + _packed(self.head().timestamp_s + 600, inner)).hex()
        return self.intent(self.world.router, outer, gas_limit=400_000, **changes)

    def put(self, *intents: SubmitTransaction) -> None:
        for each in intents:
            self.put_bytes(each.because_of.shard, encode(each))

    def put_bytes(self, shard: int, *payloads: bytes) -> None:
        asyncio.run(append(self.bootstrap, INTENTS.on(ChainId(self.chain_id)), shard, payloads))

    # -------------------------------------------------------------- what came of it
    def reports(self, shard: int = 0) -> list[Any]:
        return self._heard.by_now(shard)

    def journal(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for shard in range(PARTITIONS):
            for key, value in asyncio.run(
                read_committed(self.bootstrap, NONCES.on(ChainId(self.chain_id)), shard)
            ):
                found.pop(key.decode(), None)
                if value is not None:
                    found[key.decode()] = decode_journal(value, where="test")
        return found

    def until(self, holds: Callable[[], Any], within_s: float = 90) -> Any:
        """Wait until a condition holds, and return its value."""
        deadline_s = time.monotonic() + within_s
        while not (found := holds()):
            assert time.monotonic() < deadline_s, self.log()
            time.sleep(0.05)
        return found

    def said(self, digest: str, shard: int = 0) -> list[str]:
        """List the names of the reports on an intent, each once, in order."""
        names = [type(report).__name__ for report in self.reports(shard) if report.intent == digest]
        return list(dict.fromkeys(names))

    def until_said(self, digest: str, last: str, shard: int = 0) -> list[str]:
        return self.until(lambda: (names := self.said(digest, shard)) and last in names and names)

    def last_said(self, wanted: SubmitTransaction) -> str | None:
        """Return the reason of a refusal, the detail of a dropped intent, or the last report's name."""
        shard = wanted.because_of.shard
        found = [r for r in self.reports(shard) if getattr(r, "intent", None) == wanted.digest]
        match found[-1] if found else None:
            case None:
                return None
            case IntentRefused(reason=word) | Dropped(detail=word):
                return str(word)
            case report:
                return type(report).__name__

    def until_last_said(self, wanted: SubmitTransaction, word: str) -> None:
        self.until(lambda: self.last_said(wanted) == word)

    def until_refused_as_paused(self, make: Callable[[], SubmitTransaction]) -> SubmitTransaction:
        """Put intents until one is refused as paused, when the pause has reached the signer."""
        return self.until(lambda: (asked := self.answered(make()))[1] == "paused" and asked[0])

    def answered(self, wanted: SubmitTransaction) -> tuple[SubmitTransaction, str]:
        """Put an intent, wait until it is sent or refused, and return which."""
        self.put(wanted)
        return wanted, self.until(lambda: (word := self.last_said(wanted)) not in _NO_ANSWER and word)

    def nonce(self) -> int:
        return int(self.chain.rpc("eth_getTransactionCount", self.owner, "latest"), 16)

    def pending(self) -> int:
        status = self.chain.rpc("txpool_status")
        return int(status["pending"], 16)

    def until_pending(self, count: int) -> None:
        self.until(lambda: self.pending() == count)

    def transactions_of_owner(self, since: int) -> list[dict[str, Any]]:
        """List the owner's transactions that are mined after a block."""
        head = self.chain.header().number
        blocks = (self.chain.rpc("eth_getBlockByNumber", hex(n), True) for n in range(since + 1, head + 1))
        return [tx for block in blocks for tx in block["transactions"] if tx["from"] == self.owner]


class Heard:
    """Reads the events of a topic as they come, over one connection."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._tail = Tail(bootstrap, [topic])
        self._runner = asyncio.Runner()
        self._events: dict[int, list[Any]] = defaultdict(list)

    def by_now(self, shard: int) -> list[Any]:
        """List the records that are committed in a shard by now."""
        for record in self._runner.run(self._tail.news()):
            if record.value:
                self._events[record.shard].append(decode_event(record.value, where=record.where))
        return list(self._events[shard])

    def close(self) -> None:
        self._runner.run(self._tail.close())
        self._runner.close()


def block_ref(header: DevnetBlock) -> BlockRef:
    return BlockRef(
        number=BlockNumber(header.number),
        hash=Hash(header.hash),
        parent_hash=Hash(header.parent_hash),
        timestamp_s=Seconds(header.timestamp_s),
    )


def _packed(deadline_s: int, *calls: bytes) -> bytes:
    from eth_abi.abi import encode as abi_encode

    return abi_encode(("uint256", "bytes[]"), (deadline_s, list(calls)))


def _reach(kill_at: str | None, stop_at: str | None) -> Callable[[str], None]:
    def reach(point: str) -> None:
        if point == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if point == stop_at:
            os.kill(os.getpid(), signal.SIGSTOP)

    return reach
