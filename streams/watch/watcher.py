"""`evenkeel watch`: follow a chain and write to each shard's log what concerns it, one record per block.

A shard's log is the only memory. What was appended counts once it is read back, so a watcher that dies
anywhere leaves nothing to repair: the next one folds the same log and goes on from there.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import structlog

from pipeline.errors import InfrastructureError, NodeError, TopicMissingError
from pipeline.units import Address, BlockNumber, ChainId, Seconds, ShardId, Term
from streams.heartbeat import Progress, beating
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import check_topics, ensure_topics
from streams.node.budget import RateLimit, look_every_s
from streams.node.connect import connect
from streams.node.head_hints import SILENCE_S, HeadHints
from streams.node.multicall import MULTICALL3
from streams.node.port import Node
from streams.node.several_nodes import SeveralNodes, usual_quorum
from streams.node.single_node import OneNode
from streams.process import until_stopped
from streams.watch.clock_lag import ClockLag
from streams.watch.follower import Follower
from streams.watch.head_poller import HeadPoller, await_chain
from streams.watch.kafka_log import KafkaLog
from streams.watch.port import WatchLog
from streams.watch.prefetch import Prefetch
from streams.watch.shard_watch import ShardWatch, WatchResources
from streams.watch.standby import take_turns
from streams.watch.timing import Timing, retry_delay_s

log = structlog.get_logger(__name__)


async def run_watch(
    *,
    kafka: KafkaAccess,
    chain_id: ChainId,
    partitions: int,
    rpc_urls: Sequence[str],
    instance: str,
    rpc_quorum: int | None = None,
    rpc_limits: Sequence[RateLimit] = (),
    timing: Timing | None = None,
    multicall: Address = MULTICALL3,
    late_s: Seconds | None = None,
    rpc_ws: str | None = None,
    silence_s: float = SILENCE_S,
    stands_by: bool = False,
) -> None:
    """Watch a chain until SIGTERM, SIGINT or cancellation; once replaced, stand by or end.

    Raises: FencedError once another watcher has taken over, unless it is to stand by; SettingsError if the node
    follows another chain, InfrastructureError where the broker fails.
    """
    agree = min(rpc_quorum or usual_quorum(len(rpc_urls)), len(rpc_urls))
    timing = timing or Timing()
    look_s = look_every_s(rpc_limits, agree)
    timing = msgspec.structs.replace(
        timing, poll_s=max(timing.poll_s, look_s), hinted_poll_s=max(timing.hinted_poll_s, look_s)
    )
    at_work: Watch | None = None

    async def watch() -> None:
        nonlocal at_work
        event_log = KafkaLog(kafka, chain_id, timeout_s=timing.append_timeout_s)
        node = connect(rpc_urls, timeout_s=timing.call_timeout_s, quorum=rpc_quorum, limits=rpc_limits)
        at_work = watch = Watch(
            node,
            event_log,
            chain_id=chain_id,
            partitions=partitions,
            instance=instance,
            timing=timing,
            multicall=multicall,
            late_s=late_s,
            hints=None if rpc_ws is None else HeadHints(rpc_ws, silence_s=silence_s),
        )
        try:
            try:
                await check_topics(kafka, chain_id, partitions)
            except TopicMissingError:  # to make them is to write: for a chain that the node follows
                await await_chain(node, chain_id, timing)
                await ensure_topics(kafka, chain_id, partitions)
            await event_log.start()
            await watch.run()
        finally:
            at_work = None
            await watch.close()

    def progress() -> Progress:
        return Progress() if at_work is None else at_work.progress()

    async with beating(kafka, chain_id, "watch", instance, progress=progress):
        await until_stopped(take_turns(watch, kafka, chain_id, timing) if stands_by else watch())


class Watch:
    """Watches the chain for all shards of a deployment."""

    def __init__(
        self,
        node: Node,
        event_log: WatchLog,
        *,
        chain_id: ChainId,
        partitions: int,
        instance: str,
        timing: Timing,
        multicall: Address = MULTICALL3,
        first_block: BlockNumber | None = None,
        late_s: Seconds | None = None,
        hints: HeadHints | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; `run` begins. A shard without blocks begins at the first block, if one is given, else at the newest.

        A newest block that is older than `late_s` by the wall's clock is told of.
        """
        self._node, self._event_log, self._instance, self._timing = node, event_log, instance, timing
        self._chain_id = chain_id
        self._prefetch = Prefetch(node)
        lag = ClockLag(node, late_s, wall=wall)
        self._hints = hints
        self._look = HeadPoller(node, chain_id, timing=timing, clock=clock, lag=lag, hints=hints)
        resources = WatchResources(
            node=node,
            event_log=event_log,
            prefetch=self._prefetch,
            timing=timing,
            clock=clock,
            multicall=multicall,
            first_block=first_block,
        )
        self.shards = [ShardWatch(Follower(ShardId(number)), resources) for number in range(partitions)]

    async def run(self) -> None:
        """Claim every shard and keep it at the chain's head, without end.

        Raises: FencedError, SettingsError, InfrastructureError.
        """
        await self.begin()
        errors: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                hints = () if self._hints is None else (self._hints.run_until_cancelled(),)
                attending = (self._attend(shard) for shard in self.shards)
                for endless in (self._look.run_until_cancelled(), *hints, *attending):
                    tasks.create_task(_never_in_silence(endless))
        except BaseExceptionGroup as group:
            errors += group.exceptions
        if errors:
            raise errors[0]

    async def begin(self) -> None:
        """Fold every log, then claim the shards in order: whoever wins the first goes on.

        Raises: FencedError where another watcher was faster.
        """
        for shard in self.shards:
            await shard.follower.load(self._event_log)
        await await_chain(self._node, self._chain_id, self._timing)
        term = Term(1 + max(shard.follower.term for shard in self.shards))
        await self._event_log.follow({s.follower.shard: s.follower.next_offset for s in self.shards})
        for shard in self.shards:
            await shard.take_over(term, self._instance)
        log.info("watches", term=term, instance=self._instance)

    def progress(self) -> Progress:
        """Return each shard's head, and the newest block that the node has shown."""
        heads = {s.follower.shard: head.number for s in self.shards if (head := s.follower.tables.head)}
        view = self._look.view()
        return Progress(
            heads,
            None if view.newest is None else view.newest.block.number,
            trouble=None if view.late is None else view.late.reason,
            nodes=self._node.seen() if isinstance(self._node, OneNode | SeveralNodes) else (),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._prefetch.close()
        await self._node.close()
        await self._event_log.close()

    async def _attend(self, shard: ShardWatch) -> None:
        """Step a shard for ever: at once while there is something to do, else after each poll of the chain."""
        rounds = failures = 0
        while True:
            view = self._look.view()
            try:
                grown = await shard.step(view)
                failures = 0
            except NodeError as error:
                failures += 1
                log.warning("the node fails", shard=shard.follower.shard, error=str(error), failures=failures)
                await shard.failed(error, view)
                await asyncio.sleep(retry_delay_s(self._timing, failures - 1))
                continue
            if not grown:
                rounds = await self._look.after(rounds)


async def _never_in_silence(endless: Coroutine[Any, Any, None]) -> None:
    """Turn an unrequested cancellation into an error: a task group would go on without the task.

    Raises: InfrastructureError.
    """
    try:
        await endless
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise InfrastructureError("a task was broken off from within") from None
        raise
