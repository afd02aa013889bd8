"""The checkpoint in memory, in which everything goes through bytes and any step can be made to fail."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline import keys
from pipeline.errors import CommitError, FencedError, StateLostError
from pipeline.state.tables import Value
from pipeline.units import ShardId
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.codec import encode_entry
from streams.kafka.readers import Record
from streams.kafka.topics import DEAD_LETTERS, OUTPUTS, STATE, TopicRecord

from .port import COMMIT_TIMEOUT_S, OPENED, bounded, load, nothing_kept

CrashPoint = Literal["begin", "after outputs", "after state", "before commit", "committed, not acknowledged"]
CRASH_POINTS: tuple[CrashPoint, ...] = (
    "begin",
    "after outputs",
    "after state",
    "before commit",
    "committed, not acknowledged",
)

Written = tuple[bytes, bytes | None]


class Crashed(BaseException):
    """Raised in a process that has crashed: nothing that it does from here on happens."""


@dataclass(eq=False)
class FakeBroker:
    """The data that outlive a process: the committed records of every partition, and who owns which shard."""

    max_record_bytes: Mapping[str, int] = field(default_factory=dict)
    """By topic, where it is not the usual."""
    seed: int = 0
    committed: dict[tuple[str, ShardId], list[Written]] = field(default_factory=lambda: defaultdict(list))
    owners: dict[ShardId, object] = field(default_factory=dict)
    opened: int = 0

    def read(self, topic: str, shard: ShardId) -> list[Written]:
        """Return the committed records of a partition."""
        return list(self.committed[topic, shard])

    def read_compacted(self, topic: str, shard: ShardId) -> list[Written]:
        """Return the last record of each key, tombstones included, in no order."""
        last = list(dict(self.committed[topic, shard]).items())
        random.Random(f"{self.seed}/{self.opened}").shuffle(last)  # noqa: S311
        return last

    def takes(self, record: TopicRecord) -> bool:
        """Return whether the record's topic accepts one of its size."""
        size_bytes = len(record.key) + len(record.value or b"")
        return size_bytes <= self.max_record_bytes.get(record.topic, MAX_RECORD_BYTES)


class FakeCheckpoint:
    """One shard's entries in memory, for one process that may crash or hang in its n-th commit."""

    def __init__(
        self,
        broker: FakeBroker,
        *,
        crash_at: tuple[int, CrashPoint] | None = None,
        hang_at: int | None = None,
        commit_timeout_s: float = COMMIT_TIMEOUT_S,
    ) -> None:
        """Count commits from 0."""
        self._broker = broker
        self._crash_at = crash_at
        self._hang_at = hang_at
        self._commit_timeout_s = commit_timeout_s
        self._shard = ShardId(-1)
        self._commits = 0
        self._usable = False

    async def open(self, shard: ShardId) -> dict[str, Value]:
        """Fence the shard's former owner and load what it committed. Raises: StateLostError."""
        self._shard = shard
        self._broker.owners[shard] = self
        self._broker.opened += 1
        self._broker.committed[STATE.name, shard].append((OPENED, str(self._broker.opened).encode()))
        kept = self._broker.read_compacted(STATE.name, shard)
        entries = load(Record(STATE.name, shard, i, *written, 0) for i, written in enumerate(kept))
        for topic in (*OUTPUTS, DEAD_LETTERS):
            if keys.CURSOR not in entries and self._broker.read(topic.name, shard):
                raise StateLostError(nothing_kept(shard, topic.name))
        self._usable = True
        return entries

    async def commit(self, records: Sequence[TopicRecord], changes: Mapping[str, Value | None]) -> None:
        """Write a batch's results, all or nothing. Raises: FencedError, CommitError, Crashed."""
        if not self._usable:
            raise CommitError(f"shard {self._shard} is not open, or a commit has failed")
        self._usable = False
        await bounded(
            self._commit(records, changes), self._commit_timeout_s, f"commit of shard {self._shard}"
        )
        self._usable = True
        self._commits += 1

    async def close(self) -> None:
        """Release the shard."""
        self._usable = False

    async def _commit(self, records: Sequence[TopicRecord], changes: Mapping[str, Value | None]) -> None:
        await self._reach("begin")
        pending: list[TopicRecord] = []
        for record in records:
            self._send(pending, record)
        await self._reach("after outputs")
        for key, value in changes.items():
            payload = None if value is None else encode_entry(value)
            self._send(pending, TopicRecord(STATE.name, key.encode(), payload, self._shard))
        await self._reach("after state")
        if self._commits == self._hang_at:
            await asyncio.Event().wait()
        await self._reach("before commit")
        self._refuse_if_fenced()
        for record in pending:
            self._broker.committed[record.topic, record.partition].append((record.key, record.value))
        await self._reach("committed, not acknowledged")

    async def _reach(self, point: CrashPoint) -> None:
        await asyncio.sleep(0)
        if self._crash_at == (self._commits, point):
            raise Crashed(point)

    def _send(self, pending: list[TopicRecord], record: TopicRecord) -> None:
        self._refuse_if_fenced()
        if not self._broker.takes(record):
            raise CommitError(
                f"commit of shard {self._shard} failed: {record.topic} refuses {record.key!r}, too large"
            )
        pending.append(record)

    def _refuse_if_fenced(self) -> None:
        if self._broker.owners[self._shard] is not self:
            raise FencedError(f"shard {self._shard} has been opened by another")
