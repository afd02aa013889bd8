"""Shared by tests of the watcher: policies of the devnet's books, and a comparison of a log with its chain."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from forked import Forked

from pipeline.follow.log_filter import LogFilter, log_filter, select
from pipeline.follow.quiet_runs import seen_of
from pipeline.follow.routes import Arrival, follow
from pipeline.messages.base import BlockRef, RawLog
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.entries import Route
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksPassed, BlocksReverted
from pipeline.messages.policy import Policy, TargetBand, TokenSpec, version_of
from pipeline.state.tables import Tables
from pipeline.units import Address, BlockNumber, BookId, ChainId, Hash, LogIndex, Seconds, ShardId
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_event, encode
from streams.kafka.topics import ensure_topics, shard_of
from streams.watch.kafka_log import KafkaLog
from streams.watch.timing import Timing
from streams.watch.watcher import run_watch

QUICK = Timing(poll_s=0.03, halt_after_s=0.2, call_timeout_s=5, retry_first_s=0.05, retry_most_s=0.5)
PARTITIONS = 4
_CHAIN_IDS = itertools.count(700_000 + os.getpid() % 10_000 * 20)


def own_chain_id() -> ChainId:
    """Choose a chain id, and so topic names, that no other test uses."""
    return ChainId(next(_CHAIN_IDS))


def profile_of(world: World, chain_id: int, **changes: Any) -> ChainProfile:
    return ChainProfile(
        chain_id=ChainId(chain_id),
        wrapped_native=Address(world.weth),
        position_manager=Address(world.position_manager),
        factory=Address(world.factory),
        **changes,
    )


def policy_of(
    world: World, chain_id: int, book: str, owner: str, pools: Sequence[str], **changes: Any
) -> Policy:
    """Make a policy of an owner's book on pools of the devnet, the first as its reference."""
    used = [world.pool(name) for name in pools]
    base, quote = world.weth, world.usdc_of(used[0])
    decimals = {world.weth: 18, world.usdc_low: 6, world.usdc_high: 6}
    tokens = dict.fromkeys([base, quote, *(world.usdc_of(pool) for pool in used)])
    made = Policy(
        book=BookId(book),
        chain=profile_of(world, chain_id, **changes),
        owner=Address(owner),
        accounts=(Address(owner),),
        base=Address(base),
        quote=Address(quote),
        tokens=tuple(
            TokenSpec(address=Address(token), symbol=token[:6], decimals=decimals[token]) for token in tokens
        ),
        pools=tuple(Address(pool.address) for pool in used),
        reference_pool=Address(used[0].address),
        strategy=TargetBand(),
    )
    return msgspec.structs.replace(made, policy_version=version_of(made))


class Log:
    """A deployment's events, as a test writes and reads them."""

    def __init__(self, bootstrap: str, chain_id: ChainId) -> None:
        self.bootstrap, self.chain_id = bootstrap, chain_id
        self._kafka = KafkaLog(KafkaAccess(bootstrap), chain_id, timeout_s=30)

    async def append(self, shard: int, *events: AnyEvent) -> int:
        return await self._kafka.append(ShardId(shard), [encode(event) for event in events])

    async def set_policy(self, event: AnyEvent, book: str) -> int:
        """Append a book's policy to its shard, and return the shard."""
        shard = shard_of(BookId(book), PARTITIONS)
        await self.append(shard, event)
        return shard

    async def events(self, shard: int) -> list[AnyEvent]:
        first, end = await self._kafka.bounds(ShardId(shard))
        return [
            decode_event(record.payload or b"", where=f"{shard}@{record.offset}")
            async for record in self._kafka.history(ShardId(shard), first, end)
        ]

    async def fold(self, shard: int) -> "Fold":
        fold = Fold()
        for event in await self.events(shard):
            fold.take(event)
        return fold

    async def until(self, shard: int, holds, *, within_s: float = 90) -> "Fold":
        """Wait until a shard's fold satisfies a condition."""
        async with asyncio.timeout(within_s):
            while not holds(fold := await self.fold(shard)):  # noqa: ASYNC110 - what a log holds tells no event
                await asyncio.sleep(0.05)
        return fold

    async def until_head(self, shard: int, block_hash: str, *, within_s: float = 90) -> "Fold":
        return await self.until(
            shard, lambda fold: fold.tables.head and fold.tables.head.hash == block_hash, within_s=within_s
        )


@asynccontextmanager
async def deployment(bootstrap: str, chain_id: ChainId) -> AsyncIterator[Log]:
    await ensure_topics(KafkaAccess(bootstrap), chain_id, PARTITIONS)
    log = Log(bootstrap, chain_id)
    await log._kafka.start()
    try:
        yield log
    finally:
        await log._kafka.close()


class Fold:
    """A shard's log folded by `follow` alone, with each record's arrival."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = Tables() if tables is None else tables
        self.arrivals: list[tuple[AnyEvent, Arrival]] = []
        self.unattached: list[AnyEvent] = []
        """What was set aside although there was a head: no watcher may write such a thing."""
        self.records = 0
        self.branch: list[BlockSeen] = []
        """The blocks applied and not reverted."""
        self.selections: dict[str, list[LogFilter]] = {}
        """What the shard followed right before a block, and a little earlier, under its hash."""
        self._followed: list[LogFilter] = []
        self._read_pools: dict[str, set[str]] = {}

    def take(self, event: AnyEvent) -> None:
        if isinstance(event, BlocksPassed):
            for place in range(len(event.blocks)):
                self.take(seen_of(event, place))
            return
        mine = log_filter(self.tables)
        if mine is not None and mine not in self._followed[-1:]:
            self._followed.append(mine)
        headless = self.tables.head is None  # its last book has just gone, or an operator began anew
        arrival = follow(self.tables, event).arrival
        self.arrivals.append((event, arrival))
        if arrival is Arrival.SET_ASIDE and not headless:
            self.unattached.append(event)
        if arrival is not Arrival.APPLIES:
            return
        if isinstance(event, BlockSeen):
            self.branch.append(event)
            self.selections[event.block.hash] = self._followed[-3:]
            self._read_pools[event.block.hash] = {
                key.rpartition("/")[2]
                for key, route in self.tables.group("route/pool", Route)
                if route.observed_at_block is not None
            }
        if self.tables.head is None:
            self.branch = []
        if isinstance(event, BlocksReverted):
            self.branch = [block for block in self.branch if block.block.number <= event.to.number]

    def has_every_log(self, event: BlockSeen, logs: Sequence[RawLog]) -> bool:
        """Return whether a record has every log that concerns the shard.

        A policy may come between the choice of logs and the record: all that is new in it is read afterwards.
        """
        of_pools = tuple(log for log in logs if log.address in self._read_pools[event.block.hash])
        return any(event.logs == select(mine, logs) for mine in self.selections[event.block.hash]) and (
            set(of_pools) <= set(event.logs)
        )

    def count(self, arrival: Arrival) -> int:
        return sum(1 for _, each in self.arrivals if each is arrival)

    def of(self, kind: type) -> list:
        return [event for event, _ in self.arrivals if isinstance(event, kind)]

    def applied(self, kind: type) -> list:
        return [e for e, arrival in self.arrivals if isinstance(e, kind) and arrival is Arrival.APPLIES]


def assert_equals_chain(fold: Fold, chain: Chain) -> int:
    """Assert that the log has every block since the shard's first once, with every log that concerns the shard."""
    assert fold.tables.head is not None
    newest = chain.header()
    assert fold.tables.head.hash == newest.hash
    numbers = [event.block.number for event in fold.branch]
    if numbers:
        assert numbers == list(range(numbers[0], newest.number + 1))
    parent = None
    for event in fold.branch:
        header = chain.header(event.block.number)
        assert event.block == BlockRef(
            number=BlockNumber(header.number),
            hash=Hash(header.hash),
            parent_hash=Hash(header.parent_hash),
            timestamp_s=Seconds(header.timestamp_s),
        )
        assert parent in {None, event.block.parent_hash}
        parent = event.block.hash
        assert event.base_fee_wei == header.base_fee_wei
        assert fold.has_every_log(event, logs_of(chain, event.block.hash))
    return len(numbers)


def logs_of(chain: Chain, block_hash: str) -> list[RawLog]:
    return [
        RawLog(
            address=Address(raw["address"]),
            topics=tuple(raw["topics"]),
            data=raw["data"],
            log_index=LogIndex(int(raw["logIndex"], 16)),
            transaction_hash=raw["transactionHash"],
            transaction_index=int(raw["transactionIndex"], 16),
        )
        for raw in chain.rpc("eth_getLogs", {"blockHash": block_hash})
    ]


@asynccontextmanager
async def watching(
    bootstrap: str,
    chain_id: ChainId,
    *urls: str,
    instance: str = "here",
    timing: Timing = QUICK,
    stands_by: bool = False,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a watcher in this process."""
    task = asyncio.create_task(
        run_watch(
            kafka=KafkaAccess(bootstrap),
            chain_id=chain_id,
            partitions=PARTITIONS,
            rpc_urls=urls,
            instance=instance,
            timing=timing,
            stands_by=stands_by,
        )
    )
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_PROGRAM = """
import asyncio, json, sys
import msgspec
from streams.watch.timing import Timing
from streams.watch.watcher import run_watch
from streams.kafka.access import KafkaAccess
given = json.loads(sys.argv[1])
given["kafka"] = KafkaAccess(given.pop("bootstrap"))
asyncio.run(run_watch(**given | {"timing": msgspec.convert(given["timing"], Timing)}))
"""


def start_watcher(
    bootstrap: str, chain_id: int, url: str, *, instance: str, log: Path, timing: Timing = QUICK
) -> subprocess.Popen[bytes]:
    """Start a watcher as a process of its own, to be killed."""
    given = {
        "bootstrap": bootstrap,
        "chain_id": chain_id,
        "partitions": PARTITIONS,
        "rpc_urls": (url,),
        "instance": instance,
        "timing": msgspec.to_builtins(timing),
    }
    with log.open("ab") as output:
        return Forked(
            [sys.executable, "-c", _PROGRAM, json.dumps(given)],
            cwd=Path(__file__).parents[1],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
