"""Read topics as they were committed: to their present end, continuously, or one record."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import InfrastructureError, TopicError
from streams.kafka import clients
from streams.kafka.access import KafkaAccess
from streams.kafka.errors import denied, hidden, in_words, not_allowed, started, stopped
from streams.kafka.markers import GapContents, require_no_record

_POLL_MS = 50
_SILENT_POLLS = 400
"""How many polls without progress mean that the broker is gone."""


class Record(NamedTuple):
    """One committed record."""

    topic: str
    shard: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int

    @property
    def where(self) -> str:
        """Name the record's place, for an error."""
        return f"{self.topic}[{self.shard}]@{self.offset}"


def record_of(raw: Any) -> Record:
    """Convert one of aiokafka's records."""
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, raw.timestamp)


class Reader:
    """Reads committed records of partitions. It belongs to no group and leaves no trace."""

    def __init__(self, consumer: Any, kafka: KafkaAccess) -> None:
        self._consumer = consumer
        self._kafka = kafka

    async def shards(self, topic: str, only: Iterable[int] | None = None) -> list[TopicPartition]:
        """List a topic's partitions, or those asked for. Raises: TopicError if one does not exist."""
        there = await self._shards_of(topic)
        wanted = sorted(there if only is None else only)
        strange = [shard for shard in wanted if shard not in there]
        if strange:
            raise TopicError(f"{topic} has no shard {strange[0]}, only 0 to {max(there)}")
        return [TopicPartition(topic, shard) for shard in wanted]

    async def bounds(self, shards: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """Return each partition's first offset and the one after its last committed record."""
        begins = await self._consumer.beginning_offsets(shards)
        ends = await self.ends(shards)
        return {shard: (begins[shard], ends[shard]) for shard in shards}

    async def ends(self, shards: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after each partition's last committed record."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(shards)
        return found

    async def read(
        self, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int] | None = None
    ) -> AsyncIterator[Record]:
        """Read from these offsets up to others, or to what is committed now, partition by partition in order."""
        bounds = await self.bounds(list(starts))
        for shard, start in starts.items():
            begin, end = bounds[shard]
            async for record in self.read_between(
                shard, max(begin, start), end if ends is None else ends[shard]
            ):
                yield record

    async def read_between(self, shard: TopicPartition, start: int, end: int) -> AsyncIterator[Record]:
        """Read one partition's records from `start` up to before `end`."""
        if start >= end:
            return
        self._assign({shard: start})
        silent = 0
        position = start
        while position < end:
            batches = await self._consumer.getmany(shard, timeout_ms=_POLL_MS)
            for record in batches.get(shard, []):
                if record.offset < end:
                    yield record_of(record)
            before, position = position, await self._consumer.position(shard)  # moves over markers too
            silent = silent + 1 if position == before else 0
            if silent > _SILENT_POLLS:
                raise InfrastructureError(f"{shard.topic}[{shard.partition}] stays silent at {position}")
        self._consumer.pause(shard)  # or it went on asking for what comes next, fifty times a second

    async def offsets_since(
        self, shards: Sequence[TopicPartition], since_ms: int
    ) -> dict[TopicPartition, int]:
        """Find each partition's first offset that the broker received at or after a time; its end where there is none."""
        found = await self._consumer.offsets_for_times(dict.fromkeys(shards, since_ms))
        ends = await self._consumer.end_offsets(shards)
        return {shard: ends[shard] if found[shard] is None else found[shard].offset for shard in shards}

    async def require_no_record(self, shard: TopicPartition, start: int, end: int) -> GapContents:
        """Check that no record is missing between two offsets. Raises: EventLogError."""
        return await require_no_record(self._consumer, shard, start, end)

    async def last(
        self,
        shard: TopicPartition,
        count: int,
        takes: Callable[[Record], bool] = lambda _: True,
        *,
        before: int | None = None,
    ) -> list[Record]:
        """Return a partition's last records of a kind, before an offset or of all.

        It reads further back than their number, for markers take offsets too.
        """
        begin, now = (await self.bounds([shard]))[shard]
        end = now if before is None else before
        span = count
        while True:
            span *= 4
            found: deque[Record] = deque(maxlen=count)
            async for record in self.read_between(shard, max(begin, end - span), end):
                if takes(record):
                    found.append(record)
            if len(found) == count or span >= end - begin:
                return list(found)

    async def newest(self, topic: str) -> dict[str, Record]:
        """Read the present values of a compacted topic by key."""
        found: dict[tuple[int, str], Record] = {}
        async for record in self.read(dict.fromkeys(await self.shards(topic), 0)):
            key = (record.shard, (record.key or b"").decode(errors="replace"))
            found.pop(key, None)  # the newest stands last
            if record.value is not None:
                found[key] = record
        return {key: record for (_, key), record in found.items()}

    async def follow(self, starts: Mapping[TopicPartition, int]) -> AsyncIterator[Record]:
        """Read from these offsets without end."""
        self._assign(starts)
        while True:
            for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    yield record_of(record)

    async def record_at(self, shard: TopicPartition, offset: int) -> Record | None:
        """Return the record at an offset; None if that is a marker, not committed or no longer kept."""
        begin, end = (await self.bounds([shard]))[shard]
        if begin <= offset < end:
            async for record in self.read_between(shard, offset, offset + 1):
                return record
        return None

    async def read_from_first(
        self, shard: TopicPartition, place_of: Callable[[Record], int | None], place: int
    ) -> AsyncIterator[Record]:
        """Read from the first record whose place is not below `place`: places only grow, records without one are skipped."""
        low, high = (await self.bounds([shard]))[shard]
        end = high
        while low < high:
            middle = (low + high) // 2
            found = await self._first_with_place(shard, middle, end, place_of)
            if found is None or found[0] >= place:
                high = middle
            else:
                low = found[1] + 1
        async for record in self.read_between(shard, low, end):
            yield record

    async def _first_with_place(
        self, shard: TopicPartition, start: int, end: int, place_of: Callable[[Record], int | None]
    ) -> tuple[int, int] | None:
        async for record in self.read_between(shard, start, end):
            place = place_of(record)
            if place is not None:
                return place, record.offset
        return None

    def _assign(self, starts: Mapping[TopicPartition, int]) -> None:
        self._consumer.assign(list(starts))
        for shard, start in starts.items():
            self._consumer.seek(shard, start)

    async def _shards_of(self, topic: str) -> set[int]:
        # the consumer shows only topics that it is assigned; its client asks for all
        cluster = await self._consumer._client.fetch_all_metadata()  # noqa: SLF001
        there = cluster.partitions_for_topic(topic)
        if not there:
            if await hidden(self._consumer._client, [topic]):  # noqa: SLF001
                raise not_allowed(self._kafka, "topic", [topic])
            raise TopicError(f"there is no topic {topic} (`evenkeel up` or `evenkeel apply` creates it)")
        return set(there)


@asynccontextmanager
async def reading(kafka: KafkaAccess) -> AsyncIterator[Reader]:
    """Connect to a broker for reading. Raises: InfrastructureError if it does not answer."""
    consumer = clients.reader(kafka)
    async with broker_errors(kafka):
        try:
            await started(consumer, kafka)
            await asyncio.sleep(0)  # stopped before its tasks have begun, it raises CancelledError
            yield Reader(consumer, kafka)
        finally:
            await stopped(consumer)


@asynccontextmanager
async def broker_errors(kafka: KafkaAccess) -> AsyncIterator[None]:
    """Convert a broker's errors into one line. Raises: InfrastructureError."""
    try:
        yield
    except KafkaError as error:
        refused = denied(error, kafka)
        if refused is not None:
            raise refused from error
        raise InfrastructureError(f"the broker at {kafka.bootstrap}: {in_words(error)}") from error
