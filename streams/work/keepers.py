"""The shards of this process: open and close them, and end the process if one no longer commits."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import NamedTuple

from pipeline.errors import EventLogError, LogLostError, StalledError
from pipeline.units import BlockNumber, Offset, ShardId
from streams.kafka.checkpoint.port import Checkpoint
from streams.kafka.event_log import PASSED, EventLog
from streams.work.keeper import Arrived, ShardKeeper

log = logging.getLogger(__name__)

WATCH_EVERY_S = 4.0
UNDELIVERED_S = 8.0
"""A shard to which nothing was ever delivered, though its log has records, is read without it after this time."""
STALLED_S = 45.0
"""Where records wait and nothing is committed for longer, the process ends."""

RELEASE_S = 60.0
"""An opening, a commit and a closing take no longer: who waits longer waits for ever."""


class _Behind(NamedTuple):
    cursor: Offset
    since_s: float


class Keepers:
    """The shards of this process, each run by a task of its own."""

    def __init__(
        self,
        checkpoint: Callable[[], Checkpoint],
        events: EventLog,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Set `fail`, which is called with any error: the process must not go on then."""
        self._checkpoint = checkpoint
        self._events = events
        self._fail = fail
        self._owned: set[ShardId] = set()
        self._keepers: dict[ShardId, ShardKeeper] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._behind: dict[ShardId, _Behind] = {}
        self._answered_at_s = time.monotonic()

    def own(self, shards: Iterable[ShardId]) -> None:
        """Own these shards and no others; each opens when its first record arrives."""
        self._owned = set(shards)
        log.info("keeps shards %s", sorted(self._owned))

    async def arrive(self, shard: ShardId, record: Arrived) -> None:
        """Pass a record to its shard's keeper; drop it if the shard is no longer ours."""
        if shard in self._owned:
            await self._keeper(shard).arrive(record)

    async def release(self, shards: Iterable[ShardId]) -> None:
        """Release shards after their present batch. Raises: StalledError."""
        leaving = set(shards)
        self._owned -= leaving
        keepers = [self._keepers.pop(shard) for shard in leaving if shard in self._keepers]
        try:
            async with asyncio.timeout(RELEASE_S):
                await asyncio.gather(*(keeper.stop() for keeper in keepers))
        except TimeoutError:
            raise StalledError(
                f"shards {sorted(leaving)} cannot be let go within {RELEASE_S:.0f} s"
            ) from None

    async def release_all(self) -> None:
        """Release every shard after its present batch."""
        await self.release(set(self._keepers) | self._owned)

    def heads(self) -> Mapping[ShardId, BlockNumber]:
        """Return each owned shard's committed head."""
        return {shard: each.head.number for shard, each in self._keepers.items() if each.head is not None}

    async def watch(self) -> None:
        """End the process when records wait and nothing is committed. Raises: StalledError, EventLogError."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            for shard, keeper in self._keepers.items():
                keeper.remind()
                if keeper.stalled_s() > STALLED_S:
                    raise StalledError(
                        f"shard {shard}: records wait since {keeper.stalled_s():.0f} s, no commit"
                    )
            for shard, end in (await self._ends()).items():
                if shard in self._owned:
                    await self._keeper(shard).look_behind(end)
                    await self._watch_delivery(shard, end)

    async def _ends(self) -> Mapping[ShardId, Offset]:
        """Ask where our logs end; a broker that is away for a while is no error."""
        if not self._owned:
            self._answered_at_s = time.monotonic()  # nobody was asked
            return {}
        try:
            ends = await self._events.ends(sorted(self._owned))
        except EventLogError as error:
            if time.monotonic() - self._answered_at_s > STALLED_S:
                raise
            log.warning("%s", error)
            return {}
        self._answered_at_s = time.monotonic()
        return ends

    async def _watch_delivery(self, shard: ShardId, end: Offset) -> None:
        keeper = self._keeper(shard)
        if keeper.cursor >= end - 1 or keeper.is_halted:
            self._behind.pop(shard, None)
            return
        now_s = time.monotonic()
        behind = self._behind.get(shard)
        if behind is None or behind.cursor != keeper.cursor:
            self._behind[shard] = _Behind(keeper.cursor, now_s)
        elif now_s - behind.since_s > STALLED_S:
            raise StalledError(f"shard {shard}: stands at {keeper.cursor}, its log goes to {end - 1}")
        elif now_s - behind.since_s > UNDELIVERED_S and (
            not keeper.delivered or await self._holds_no_record(shard, Offset(keeper.cursor + 1), end)
        ):
            keeper.read_on(end)

    async def _holds_no_record(self, shard: ShardId, first: Offset, end: Offset) -> bool:
        """Return whether nothing is left to deliver: only transaction markers are there.

        Raises: LogLostError where a record is missing.
        """
        try:
            async with aclosing(self._events.between(shard, first, end)) as read:
                async for offset, payload in read:
                    return payload is PASSED and offset == end - 1
        except LogLostError:
            raise
        except EventLogError as error:  # a broker that is away for a while
            log.warning("%s", error)
        return False

    def _keeper(self, shard: ShardId) -> ShardKeeper:
        keeper = self._keepers.get(shard)
        if keeper is None:
            keeper = self._keepers[shard] = ShardKeeper(shard, self._checkpoint(), self._events)
            task = asyncio.create_task(keeper.keep(), name=f"shard {shard}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return keeper

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # not by us: a client's future that was cancelled is enough
            self._fail(StalledError(f"{task.get_name()}: its task was broken off"))
        elif (error := task.exception()) is not None:
            self._fail(error)
