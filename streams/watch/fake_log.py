"""The shards' logs in memory, for any number of watchers, each of which may die at any append."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

from pipeline import keys
from pipeline.errors import InfrastructureError
from pipeline.messages.entries import Cursor
from pipeline.state.tables import Value
from pipeline.units import Offset, ShardId
from streams.kafka.codec import decode_entry, encode_entry
from streams.watch.port import EventRecord, routing_families, routing_only

Death = Literal["before", "within", "after"]
"""The broker has nothing, half or all of what was appended; who appended never learns."""


class CrashError(InfrastructureError):
    """Raised in a process that has crashed: nothing that it does from here on happens."""


class FakeWatchBroker:
    """The broker's data, which outlive the watchers."""

    def __init__(self, partitions: int) -> None:
        """Begin with empty logs."""
        self.logs: list[list[bytes]] = [[] for _ in range(partitions)]
        self._state: list[dict[str, bytes]] = [{} for _ in range(partitions)]
        self.grown = asyncio.Condition()

    async def append(self, shard: int, payloads: Sequence[bytes]) -> Offset:
        """Append a record as any other writer would: the command line, an operator, a forger."""
        async with self.grown:
            self.logs[shard] += payloads
            self.grown.notify_all()
        return Offset(len(self.logs[shard]) - 1)

    def commit(self, shard: int, entries: Mapping[str, Value], cursor: Offset) -> None:
        """Commit the worker's state."""
        whole = {**entries, keys.CURSOR: Cursor(offset=cursor)}
        self._state[shard] = {key: encode_entry(value) for key, value in whole.items()}

    def state(self, shard: int) -> Mapping[str, Value]:
        """Return the committed entries that routing needs."""
        needed = routing_families()
        kept = {key: raw for key, raw in self._state[shard].items() if keys.family(key) in needed}
        return {key: routing_only(decode_entry(key, raw)) for key, raw in kept.items()}


class FakeEventLog:
    """`event_log.EventLog` for one watcher, in memory."""

    def __init__(self, broker: FakeWatchBroker, *, dies_at: tuple[int, Death] | None = None) -> None:
        """Crash at the n-th append, where n is given."""
        self._broker = broker
        self._dies_at = dies_at
        self._appends = 0
        self._dead = False
        self._taken: dict[ShardId, int] = {}

    async def state(self, shard: ShardId) -> Mapping[str, Value]:
        """Read the entries that routing needs, as the worker has committed them."""
        self._live()
        return self._broker.state(shard)

    async def bounds(self, shard: ShardId) -> tuple[Offset, Offset]:
        """Return the offset of the first record kept, and the one after the last."""
        self._live()
        return Offset(0), Offset(len(self._broker.logs[shard]))

    async def history(self, shard: ShardId, start: Offset, end: Offset) -> AsyncIterator[EventRecord]:
        """Read the records from an offset up to before another."""
        for offset in range(start, end):
            await asyncio.sleep(0)
            self._live()
            yield EventRecord(Offset(offset), self._broker.logs[shard][offset])

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Start reading every shard from an offset; `read` returns the records."""
        self._taken = dict(starts)

    async def read(self, shard: ShardId, *, through: Offset | None = None) -> list[EventRecord]:
        """Return the records that have arrived since the last call; given an offset, wait for the record there."""
        self._live()
        async with self._broker.grown:
            await self._broker.grown.wait_for(
                lambda: through is None or len(self._broker.logs[shard]) > through
            )
        start, log = self._taken[shard], self._broker.logs[shard]
        self._taken[shard] = len(log)
        return [EventRecord(Offset(offset), log[offset]) for offset in range(start, len(log))]

    async def append(self, shard: ShardId, payloads: Sequence[bytes]) -> Offset:
        """Append records in order and wait until the broker confirms them. Returns the last one's offset."""
        self._live()
        self._appends += 1
        death = self._dies_at[1] if self._dies_at and self._dies_at[0] == self._appends else None
        kept = {"before": 0, "within": len(payloads) // 2, "after": len(payloads), None: len(payloads)}[death]
        last = await self._broker.append(shard, payloads[:kept])
        if death is not None:
            self._dead = True
            raise CrashError(f"died {death} an append to shard {shard}")
        await asyncio.sleep(0)
        return last

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _live(self) -> None:
        if self._dead:
            raise CrashError("dead already")
