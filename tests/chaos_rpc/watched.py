"""A chain behind a proxy, and a watcher in this process that reads through it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.proxy import NodeProxy
from chaos_rpc.faults import Setup
from chaos_rpc.witness import Witness
from watching import Fold, policy_of

from pipeline.follow.due_reads import wanted
from pipeline.messages.events import HeadStalled, PolicySet
from pipeline.units import ChainId
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.ports import free_port
from streams.devnet.world import World
from streams.kafka.codec import decode_event, encode
from streams.node.budget import RateLimit
from streams.node.head_hints import HeadHints
from streams.node.http_node import HttpNode
from streams.node.port import Node
from streams.node.several_nodes import SeveralNodes
from streams.watch.fake_log import FakeEventLog, FakeWatchBroker
from streams.watch.timing import Timing
from streams.watch.watcher import Watch

TIMING = Timing(
    poll_s=0.05,
    stall_after_s=3.0,
    halt_after_s=0.2,
    call_timeout_s=2.5,
    retry_first_s=0.05,
    retry_most_s=0.3,
    reread_most_s=1.0,
)
POOL = "weth_usdc_low_500"
_PATIENCE_S = 90.0
"""Slowness is not a failure; silence for so long is."""


class Ground:
    """A chain with its world and order flow, and a proxy before it."""

    def __init__(self, chain: Chain, world: World, proxy: NodeProxy, folder: Path, cache: Path) -> None:
        self.chain, self.world, self.proxy, self.folder, self.cache = chain, world, proxy, folder, cache
        self.flow = OrderFlow(chain, world, seed=11)
        self.watched = self.parted = 0

    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            await asyncio.to_thread(self.flow.block)

    @asynccontextmanager
    async def other_chain(self) -> AsyncIterator[Chain]:
        """Let another chain part from this one at its head: it has a block that this one has not."""
        self.parted += 1
        folder = self.folder / f"parted-{self.parted}"
        folder.mkdir()
        await asyncio.to_thread(self.chain.dump, folder / "state.json")
        with start_chain(folder, cache=self.cache, state=folder / "state.json") as other:
            other.mine(base_fee_wei=self.chain.header().base_fee_wei + 1)
            yield other


@asynccontextmanager
async def grounded(chain: Chain, world: World, folder: Path, cache: Path) -> AsyncIterator[Ground]:
    """Put a proxy before a chain."""
    proxy = NodeProxy(chain.url, free_port())
    await proxy.start()
    try:
        yield Ground(chain, world, proxy, folder, cache)
    finally:
        await proxy.stop()


class Watched:
    """A watcher of one book, and the log that it writes."""

    def __init__(
        self,
        ground: Ground,
        setup: Setup,
        *,
        first_may: RateLimit | None = None,
        hints: HeadHints | None = None,
    ) -> None:
        """Set the first node's budget, and send notices of blocks, if there are any."""
        ground.watched += 1
        self.ground, self.chain = ground, ground.chain
        self.names = [f"n{ground.watched}-{place}" for place in range(setup.nodes)]
        self.witnesses = {
            name: Witness(
                HttpNode(
                    ground.proxy.url_for(name),
                    timeout_s=TIMING.call_timeout_s,
                    limit=None if place else first_may,
                )
            )
            for place, name in enumerate(self.names)
        }
        self.broker, self.fold = FakeWatchBroker(1), Fold()
        self.node = self._node(setup)
        self._watch = Watch(
            self.node,
            FakeEventLog(self.broker),
            chain_id=ChainId(self.chain.chain_id),
            partitions=1,
            instance="w",
            timing=TIMING,
            hints=hints,
        )
        self._task: asyncio.Task[None] | None = None

    def _node(self, setup: Setup) -> Node:
        if setup.nodes == 1:
            return self.witnesses[self.names[0]]
        budgets = {name: each.budget for name, each in self.witnesses.items()}
        return SeveralNodes(self.witnesses, quorum=setup.quorum, budgets=budgets)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        owner = self.ground.world.accounts.owners[0]
        policy = policy_of(self.ground.world, self.chain.chain_id, "one", owner, [POOL])
        await self.broker.append(0, [encode(PolicySet(policy=policy))])
        self._task = asyncio.create_task(self._watch.run())
        try:
            yield
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._watch.close()

    def taken_in(self) -> Fold:
        """Take in what has come to the log. Raises: MalformedRecordError where a watcher wrote what nobody can read."""
        log = self.broker.logs[0]
        while self.fold.records < len(log):
            self.fold.take(decode_event(log[self.fold.records], where=str(self.fold.records)))
            self.fold.records += 1
        return self.fold

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait for something. Raises: AssertionError that says what never came."""
        until_s = time.monotonic() + _PATIENCE_S
        while not holds():
            assert self._task is not None
            if self._task.done():
                self._task.result()
            if time.monotonic() > until_s:
                head = self.taken_in().tables.head
                words = "; ".join(f"{name}: {each.failed[-1:]}" for name, each in self.witnesses.items())
                raise AssertionError(f"never came: {what}; the shard is at {head and head.number}; {words}")
            await asyncio.sleep(0.02)

    async def until_caught_up(self) -> None:
        """Wait until the shard has the chain's head, and has read everything that it wants."""
        head = self.chain.header()
        await self.until(lambda: self._is_at(head.hash), f"block {head.number}")

    def _is_at(self, block_hash: str) -> bool:
        tables = self.taken_in().tables
        return tables.head is not None and tables.head.hash == block_hash and not wanted(tables)

    def stalls(self) -> list[HeadStalled]:
        """List the alerts about the shard's present head."""
        fold = self.taken_in()
        return [event for event in fold.of(HeadStalled) if event.block == fold.tables.head]
