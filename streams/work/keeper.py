"""Keep one shard: take waiting records, fold them, and commit the result.

The same for every way in which records may arrive: doubled, in any batches, or with a gap.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from pipeline.drive import pass_over
from pipeline.errors import EventLogError, LogLostError, NewerRecordError
from pipeline.messages.base import BlockRef
from pipeline.messages.entries import PassedRecord
from pipeline.state.shard import BEFORE_THE_FIRST, Shard
from pipeline.units import Offset, ShardId
from streams.backoff import Reminder
from streams.kafka.checkpoint.port import Checkpoint
from streams.kafka.event_log import PASSED, EventLog, Payload
from streams.kafka.topics import TopicRecord
from streams.skipped_records import SkipCommands, may_be_passed_over, why_halted
from streams.work.fold import fold_record, fold_unread

log = logging.getLogger(__name__)

BATCH_RECORDS = 400
BATCH_BYTES = 32 * 1024 * 1024
"""A commit takes no more than this of what came in."""
REMIND_S = 600.0
"""How often it is said that a shard is halted."""
WAITING_RECORDS = 2 * BATCH_RECORDS
"""How many records may wait for a shard in this process; the others wait on the broker."""


class Arrived(NamedTuple):
    """A record of the log, with the function that acknowledges it."""

    offset: Offset
    payload: bytes | None
    acknowledge: Callable[[], object]


class Unread(NamedTuple):
    """A record that was written by a newer Evenkeel."""

    offset: Offset
    payload: bytes
    error: NewerRecordError


class ShardKeeper:
    """Runs one shard in this process. It opens when the first record arrives."""

    def __init__(
        self,
        shard: ShardId,
        checkpoint: Checkpoint,
        events: EventLog,
        *,
        batch_records: int = BATCH_RECORDS,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self.id = shard
        self.cursor = BEFORE_THE_FIRST
        """The last record that this process knows to be committed."""
        self.head: BlockRef | None = None
        """The block at which that record left the shard."""
        self.delivered = False
        """Whether a record has ever arrived."""
        self._checkpoint = checkpoint
        self._events = events
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        self._waiting: deque[Arrived] = deque()
        self._read_to = Offset(0)
        self._progressed_at_s = time.monotonic()
        self._busy = False
        self._stopping = False
        self.halted: str | None = None
        """Why the next record of the log is not taken in: a newer Evenkeel wrote it, and a newer worker must read it."""
        self._skip_commands = SkipCommands()
        self._looked_to = Offset(0)
        """The offset up to which the log after the halting record was searched for operators' commands."""
        self._unread: Unread | None = None
        self._remind = Reminder(REMIND_S)
        self._stirred = asyncio.Event()
        self._has_room = asyncio.Event()
        self._ended = asyncio.Event()

    # -------------------------------------------------------------- from outside
    async def arrive(self, record: Arrived) -> None:
        """Queue a record once there is room. A halted shard takes none: its next worker starts at the record that halted it."""
        self.delivered = True
        while len(self._waiting) >= WAITING_RECORDS and not (self._stopping or self.is_halted):
            self._has_room.clear()
            await self._has_room.wait()
        if self.is_halted:
            return
        self._waiting.append(record)
        self._stirred.set()

    def read_on(self, end: Offset) -> None:
        """Read the log up to `end` without waiting for delivery."""
        if not self.is_halted:
            self._read_to = end
            self._stirred.set()

    async def look_behind(self, end: Offset) -> None:
        """Search for an operator's request to skip the record that halted the shard, and continue where there is one. Raises: LogLostError."""
        if self._unread is None:
            return
        try:
            await self._look(self._unread.offset, end)
        except LogLostError:
            raise
        except EventLogError as error:  # a broker that is away for a while
            log.warning("%s", error)
            return
        if self._skip_command_for(self._unread) is not None:
            log.warning("shard %s goes on: an operator has passed %s over", self.id, self._unread.offset)
            self.halted = self._unread = None
            self.read_on(end)

    def remind(self) -> None:
        """Report that the shard is halted, and where, again from time to time."""
        if self.is_halted and self._remind.is_due():
            log.critical("shard %s is HALTED, the others go on: %s", self.id, self.halted)

    @property
    def is_halted(self) -> bool:
        """Return whether the shard is halted at a record that only a newer worker can read."""
        return self.halted is not None

    def stalled_s(self) -> float:
        """Return how long records have waited without any commit."""
        if not self._waiting and not self._busy:
            self._progressed_at_s = time.monotonic()
        return time.monotonic() - self._progressed_at_s

    async def stop(self) -> None:
        """End after the present batch; queued records will be delivered again."""
        self._stopping = True
        self._stirred.set()
        self._has_room.set()
        await self._ended.wait()

    # -------------------------------------------------------------- the task
    async def keep(self) -> None:
        """Apply arriving records until stopped. Raises: InfrastructureError; then the process must end."""
        shard = None
        try:
            while True:
                await self._stirred.wait()
                if self._stopping:
                    return
                self._busy = True
                if shard is None:
                    shard = await self._open()
                try:
                    await self._apply(shard, self._take())
                except NewerRecordError as error:
                    self._halt(error)
                self._busy = False
        finally:
            await self._checkpoint.close()
            self._ended.set()

    async def _open(self) -> Shard:
        began_s = time.monotonic()
        shard = Shard(self.id, await self._checkpoint.open(self.id))
        self._progress(shard)
        log.info("shard %s opened at %s in %.2f s", self.id, self.cursor, time.monotonic() - began_s)
        return shard

    def _take(self) -> list[Arrived]:
        """Take queued records, at most as many as one commit takes."""
        batch: list[Arrived] = []
        size_bytes = 0
        while self._waiting and len(batch) < self._batch_records and size_bytes < self._batch_bytes:
            batch.append(self._waiting.popleft())
            size_bytes += len(batch[-1].payload or b"")
        self._has_room.set()
        if (
            not self._waiting and not self._stopping
        ):  # the word to stop may have come while the shard was opened
            self._stirred.clear()
        return batch

    async def _apply(self, shard: Shard, batch: Sequence[Arrived]) -> None:
        outputs: list[TopicRecord] = []
        records = size_bytes = 0
        async with aclosing(self._without_gaps(shard, batch)) as gapless:
            async for offset, payload in gapless:
                if payload is PASSED:
                    pass_over(shard, offset)
                    continue
                try:
                    outputs += fold_record(shard, offset, payload)
                except NewerRecordError as error:
                    unread = Unread(offset, payload or b"", error)
                    word = await self._sought(unread)
                    if word is None:
                        await self._commit(shard, outputs)
                        self._unread = unread
                        raise
                    outputs += fold_unread(shard, offset, unread.payload, word)
                records += 1
                size_bytes += len(payload or b"")
                if records >= self._batch_records or size_bytes >= self._batch_bytes:
                    await self._commit(shard, outputs)
                    outputs, records, size_bytes = [], 0, 0
                await asyncio.sleep(0)  # other shards' commits go on
        await self._commit(shard, outputs)
        for record in batch:
            record.acknowledge()

    async def _sought(self, unread: Unread) -> PassedRecord | None:
        """Search the log after an unreadable record for an operator's command to pass over it. Raises: EventLogError."""
        found = self._skip_command_for(unread)
        if found is None and may_be_passed_over(unread.error):
            await self._look(unread.offset, (await self._events.ends([self.id]))[self.id])
            found = self._skip_command_for(unread)
        return found

    async def _look(self, behind: Offset, end: Offset) -> None:
        first = max(Offset(behind + 1), self._looked_to)
        if first < end:
            async with aclosing(self._events.between(self.id, first, end)) as read:
                async for offset, payload in read:
                    self._skip_commands.take(offset, None if payload is PASSED else payload)
            self._looked_to = end

    def _skip_command_for(self, unread: Unread) -> PassedRecord | None:
        return self._skip_commands.permitted_for(*unread)

    def _halt(self, error: NewerRecordError) -> None:
        """Halt at a record whose meaning must not be guessed; the other shards go on."""
        self.halted = str(error) if self._unread is None else why_halted(self.id, self._unread.offset, error)
        self.remind()
        self._waiting.clear()
        self._stirred.clear()
        self._has_room.set()

    async def _commit(self, shard: Shard, outputs: Sequence[TopicRecord]) -> None:
        changes = shard.tables.changes()
        if changes or outputs:
            await self._checkpoint.commit(outputs, changes)
            shard.tables.committed()
        self._progress(shard)

    def _progress(self, shard: Shard) -> None:
        self.cursor, self.head = shard.cursor, shard.tables.head
        self._progressed_at_s = time.monotonic()

    # -------------------------------------------------------------- what was not delivered
    async def _without_gaps(
        self, shard: Shard, batch: Sequence[Arrived]
    ) -> AsyncGenerator[tuple[Offset, Payload], None]:
        """Return the records of a batch, and before each those that were skipped."""
        for record in batch:
            async for missing in self._missing(shard, record.offset):
                yield missing
            yield record.offset, record.payload
        async for missing in self._missing(shard, self._read_to):
            yield missing

    async def _missing(self, shard: Shard, before: Offset) -> AsyncGenerator[tuple[Offset, Payload], None]:
        first = Offset(shard.cursor + 1)
        if first < before:
            log.warning("shard %s: reads %s to %s, which were not delivered", shard.id, first, before - 1)
            async for record in self._events.between(shard.id, first, before):
                yield record
