"""`evenkeel backfill`: start shards without a block at a past one, and bring all shards up to the chain's head.

It is a watcher that ends once there is nothing more to append. What it has appended is the log, so it goes on where it ended, however that
was, and whoever watches next goes on without a gap.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from pipeline.errors import SettingsError
from pipeline.follow.due_reads import wanted
from pipeline.state.policies import policies
from pipeline.units import BlockNumber, ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import check_topics
from streams.node.budget import RateLimit
from streams.node.connect import connect
from streams.node.multicall import MULTICALL3
from streams.node.port import Node
from streams.process import until_stopped
from streams.watch.follower import Follower
from streams.watch.kafka_log import KafkaLog
from streams.watch.timing import Timing
from streams.watch.watcher import Watch

log = structlog.get_logger(__name__)

_LOOK_S = 0.2


class Reached(NamedTuple):
    """How far the shards that have books have come."""

    lowest: BlockNumber | None
    """The lowest of their heads; None while one has none."""
    newest: BlockNumber | None
    """Of the chain; None before the node has shown a block."""
    is_up: bool
    """Whether all are at the newest block, and nothing of it is to be read any more."""


async def run_backfill(
    *,
    kafka: KafkaAccess,
    chain_id: ChainId,
    partitions: int,
    rpc_urls: Sequence[str],
    instance: str,
    first_block: BlockNumber,
    tell: Callable[[Reached], None],
    rpc_quorum: int | None = None,
    rpc_limits: Sequence[RateLimit] = (),
    timing: Timing | None = None,
) -> dict[ShardId, str]:
    """Bring every shard that has books to the chain's head, and return for each halted shard, by number, why it halted.

    Raises: SettingsError where it cannot begin so, FencedError once another watcher has taken over, InfrastructureError.
    """
    timing = timing or Timing()
    event_log = KafkaLog(kafka, chain_id, timeout_s=timing.append_timeout_s)
    watch = Watch(
        node := connect(rpc_urls, timeout_s=timing.call_timeout_s, quorum=rpc_quorum, limits=rpc_limits),
        event_log,
        chain_id=chain_id,
        partitions=partitions,
        instance=instance,
        timing=timing,
        first_block=first_block,
    )
    followers = [shard.follower for shard in watch.shards]
    try:
        await check_topics(kafka, chain_id, partitions)
        await event_log.start()
        for follower in followers:
            await follower.load(event_log)
        await _check_beginning(node, followers, first_block)
        await until_stopped(_until_up(watch, followers, tell))
    finally:
        await watch.close()
    return {
        follower.shard: follower.halted or "halted"
        for follower in followers
        if follower.is_idle and policies(follower.tables)
    }


async def _check_beginning(node: Node, followers: Sequence[Follower], first_block: BlockNumber) -> None:
    """Check that there are books, and that the node has the first block. Raises: SettingsError, NodeError."""
    if not any(policies(follower.tables) for follower in followers):
        raise SettingsError("no book is kept on this chain: `evenkeel apply` a portfolio first")
    beginning = [follower for follower in followers if follower.tables.head is None]
    books = [policy for follower in beginning for policy in policies(follower.tables)]
    live = sorted(policy.book for policy in books if policy.mode == "live")
    if live:
        raise SettingsError(
            f"{', '.join(live)}: a live book would act on its past: apply it as `mode: dry-run`, backfill, then make it live"
        )
    if not books:
        log.warning(
            "no shard begins in the past: each that has books knows a block already, and goes on from it"
        )
        return
    (header,) = await node.headers([first_block])
    if header is None:
        raise SettingsError(f"--from: the node has no block {first_block}")
    if None in await node.accounts([(MULTICALL3, header.block.hash)]):
        raise SettingsError(
            f"--from: the node no longer has the state after block {first_block}, where pools and positions are read: "
            "name an archive node, or a later block"
        )


async def _until_up(watch: Watch, followers: Sequence[Follower], tell: Callable[[Reached], None]) -> None:
    running = asyncio.create_task(watch.run())
    try:
        while not running.done():
            await asyncio.wait({running}, timeout=_LOOK_S)
            reached = _reached(watch, followers)
            tell(reached)
            if reached.is_up:
                return
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _reached(watch: Watch, followers: Sequence[Follower]) -> Reached:
    newest = watch.progress().newest_block
    at_work = [follower for follower in followers if not follower.is_idle]
    heads = [head.number for follower in at_work if (head := follower.tables.head) is not None]
    lowest = min(heads) if len(heads) == len(at_work) and heads else None
    is_read = not any(wanted(follower.tables) for follower in at_work)
    is_up = newest is not None and is_read and (lowest is None or lowest >= newest)
    return Reached(lowest, newest, is_up=is_up and (lowest is not None or not at_work))
