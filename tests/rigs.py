"""A watch in memory: chain, log and clock controlled by the test, with watchers that may die at any point."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from fake_world import POOLS, FakeWorld, balance_at, price_at
from watching import Fold

from pipeline.errors import MalformedRecordError
from pipeline.follow.due_reads import wanted
from pipeline.follow.log_filter import select_receipts
from pipeline.follow.routes import Arrival
from pipeline.messages.base import Entry
from pipeline.messages.entries import Halted
from pipeline.messages.events import AnyEvent, BlockSeen
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import ChainId, Offset, Seconds
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved
from pipeline.venues.wallet.forms import BalanceObserved
from streams.kafka.codec import decode_event, encode
from streams.node.fake import FakeChain
from streams.watch.fake_log import Death, FakeEventLog, FakeWatchBroker
from streams.watch.timing import Timing
from streams.watch.watcher import Watch

TIMING = Timing(
    poll_s=0,
    halt_after_s=1,
    stall_after_s=10**6,
    retry_first_s=0.0001,
    retry_most_s=0.001,
    reread_most_s=3,
    batch_blocks=7,
)
_TURNS = 50_000


class Rig:
    def __init__(
        self,
        partitions: int = 2,
        *,
        timing: Timing = TIMING,
        forgets: bool = True,
        chain: FakeChain | None = None,
    ) -> None:
        self.chain = chain or FakeChain(forgets=forgets)
        self.world = FakeWorld(self.chain)
        self.broker = FakeWatchBroker(partitions)
        self.timing = timing
        self.now_s = 0.0
        self.late_s: Seconds | None = None
        """How old the newest block may be by `wall_s`."""
        self.wall_s = 0.0
        self.partitions = partitions
        self.tasks: list[asyncio.Task[None]] = []
        self._folds = [Fold() for _ in range(partitions)]

    # -------------------------------------------------------------- watchers
    def clock(self) -> float:
        self.now_s += 0.002
        return self.now_s

    def watch(self, instance: str = "w", *, dies_at: tuple[int, Death] | None = None) -> Watch:
        return Watch(
            self.chain,
            FakeEventLog(self.broker, dies_at=dies_at),
            chain_id=ChainId(31_337),
            partitions=self.partitions,
            instance=instance,
            timing=self.timing,
            late_s=self.late_s,
            clock=self.clock,
            wall=lambda: self.wall_s,
        )

    def start(self, instance: str = "w", *, dies_at: tuple[int, Death] | None = None) -> asyncio.Task[None]:
        return self.run(self.watch(instance, dies_at=dies_at))

    def run(self, watch: Watch) -> asyncio.Task[None]:
        task = asyncio.create_task(watch.run())
        self.tasks.append(task)
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def kill(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    # -------------------------------------------------------------- the log
    async def append(self, shard: int, *events: AnyEvent) -> int:
        return await self.broker.append(shard, [encode(event) for event in events])

    def events(self, shard: int = 0) -> list[AnyEvent]:
        return [decode_event(payload, where=str(at)) for at, payload in enumerate(self.broker.logs[shard])]

    def fold(self, shard: int = 0) -> Fold:
        """Apply the new records of a shard's log."""
        fold, log = self._folds[shard], self.broker.logs[shard]
        while fold.records < len(log):
            payload = log[fold.records]
            fold.records += 1
            with suppress(MalformedRecordError):
                fold.take(decode_event(payload, where="test"))
        return fold

    def commit(self, shard: int, upto: int, **more: Entry) -> None:
        """Commit, as a worker, the result of `follow` up to an offset, and further entries."""
        tables = Tables()
        fold = Fold(tables)
        for payload in self.broker.logs[shard][: upto + 1]:
            with suppress(MalformedRecordError):
                fold.take(decode_event(payload, where="test"))
        for key, value in more.items():
            tables.put(key.replace("__", "/"), value)
        entries = {key: value for key, value in tables.changes().items() if value is not None}
        self.broker.commit(shard, entries, Offset(upto))

    # -------------------------------------------------------------- waiting
    async def until(self, holds: Callable[[], object]) -> None:
        for context in range(_TURNS):
            if holds():
                return
            for task in self.tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    task.result()
            await asyncio.sleep(0.0002 if context % 50 == 49 else 0)
        folds = [self.fold(shard) for shard in range(self.partitions)]
        raise AssertionError(
            f"never came: the chain is at {self.chain.head.block.number}, the shards at "
            f"{[fold.tables.head and fold.tables.head.number for fold in folds]}, with "
            f"{[[type(event).__name__ for event, _ in fold.arrivals][-8:] for fold in folds]}"
        )

    async def settled(self) -> None:
        await self.until(self.is_settled)

    def is_settled(self) -> bool:
        for shard in range(self.partitions):
            tables = self.fold(shard).tables
            if not policies(tables) or tables.find("halted", Halted):
                continue
            if tables.head is None or tables.head.hash != self.chain.head.block.hash or wanted(tables):
                return False
        return True

    async def turns(self, count: int = 300) -> None:
        """Let each watcher make one step."""
        for _ in range(count):
            await asyncio.sleep(0)

    # -------------------------------------------------------------- truth
    def check(self, shard: int = 0) -> Fold:
        """Assert that the shard's blocks and reads equal the chain's, each once, with everything that concerns the shard."""
        fold = self.fold(shard)
        bodies = {header.block.hash: (header, body) for header, body in self.chain.blocks()}
        numbers = [event.block.number for event in fold.branch]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        if numbers:
            assert numbers[-1] == self.chain.head.block.number
        for event in fold.branch:
            header, body = bodies[event.block.hash]
            assert event.block == header.block
            assert event.base_fee_wei == header.base_fee_wei
            assert fold.has_every_log(event, body.logs)
            assert any(
                event.receipts == select_receipts(mine, body.receipts)
                for mine in fold.selections[event.block.hash]
            )
        self._check_reads(fold)
        return fold

    def _check_reads(self, fold: Fold) -> None:
        canonical = {header.block.hash: header for header, _ in self.chain.blocks()}
        for event, arrival in fold.arrivals:
            if arrival is not Arrival.APPLIES or getattr(event, "block", None) is None:
                continue
            header = canonical.get(event.block.hash)
            if header is None:
                continue
            number = header.block.number
            match event:
                case PoolObserved():
                    assert event.pool in POOLS
                    assert event.state.sqrt_price_x96 == price_at(number)
                    assert {t.info.outside0_x128 for t in event.ticks} == {int(number)}
                case OwnerObserved():
                    assert list(event.token_ids) == self.world.owned(header, event.owner)
                case PositionObserved():
                    assert event.position.owner == self.world.owners(header)[event.token_id]
                    assert event.pool_position.liquidity == int(number)
                case BalanceObserved():
                    assert event.amount == balance_at(number, event.account)
                case BlockSeen():
                    for read in event.reads:
                        assert read.amount_wei == self.chain.wei[read.account](header)
                case _:
                    pass
