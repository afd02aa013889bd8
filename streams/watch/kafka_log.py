"""The shards' logs on a broker."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import EventLogError, InfrastructureError, StateLostError
from pipeline.state.tables import Value
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.port import cut_off, family_of, load
from streams.kafka.clients import appending_producer, follower
from streams.kafka.errors import denied, started, stopped
from streams.kafka.markers import GapContents, require_no_record
from streams.kafka.readers import Reader, reading
from streams.kafka.topics import EVENTS, STATE
from streams.watch.port import EventRecord, routing_families, routing_only

log = structlog.get_logger(__name__)

_STOP_TIMEOUT_S = 3.0
_CANCEL_TIMEOUT_S = 0.5
_LOAD_TIMEOUT_S = 300.0
_BUFFERED_BYTES = 64 * 1024 * 1024
"""Read and not yet taken: beyond it the broker waits."""


class KafkaLog:
    """`event_log.EventLog` over Kafka."""

    def __init__(self, kafka: KafkaAccess, chain_id: ChainId, *, timeout_s: float) -> None:
        """Prepare; `start` connects."""
        self._kafka = kafka
        self._events = EVENTS.on(chain_id)
        self._states = STATE.on(chain_id)
        self._timeout_s = timeout_s
        self._open = AsyncExitStack()
        self._reader: Reader | None = None
        self._reading = asyncio.Lock()
        self._producer: Any = None
        self._tail: _Tail | None = None

    async def start(self) -> None:
        """Connect. Raises: InfrastructureError."""
        async with _bounded("connect to the broker", self._timeout_s, self._kafka):
            self._reader = await self._open.enter_async_context(reading(self._kafka))
            self._producer = appending_producer(self._kafka, request_s=self._timeout_s)
            await started(self._producer, self._kafka, writes=self._events)

    async def state(self, shard: ShardId) -> Mapping[str, Value]:
        """Read the committed entries that routing needs. Raises: StateLostError."""
        async with self._committed() as reader:
            (states,) = await reader.shards(self._states, [shard])
            begins_at, _ = (await reader.bounds([states]))[states]
            if begins_at:
                raise StateLostError(cut_off(self._states, shard, begins_at))
            needed = routing_families()
            records = [each async for each in reader.read({states: 0}) if family_of(each) in needed]
        found = load(records)
        return {key: routing_only(value) for key, value in found.items()}

    async def bounds(self, shard: ShardId) -> tuple[Offset, Offset]:
        """Return the offset of the first record kept, and the one after the last."""
        async with self._committed() as reader:
            (events,) = await reader.shards(self._events, [shard])
            first, end = (await reader.bounds([events]))[events]
        return Offset(first), Offset(end)

    async def history(self, shard: ShardId, start: Offset, end: Offset) -> AsyncIterator[EventRecord]:
        """Read the records from an offset up to before another. Raises: EventLogError where a record is missing."""
        partition, expected = TopicPartition(self._events, shard), start
        async with self._committed() as reader:
            async for record in reader.read_between(partition, start, end):
                if record.offset > expected:
                    _tell(
                        partition,
                        expected,
                        await reader.require_no_record(partition, expected, record.offset),
                    )
                    yield EventRecord(Offset(record.offset - 1), None)
                yield EventRecord(Offset(record.offset), record.value or b"")
                expected = Offset(record.offset + 1)
            if expected < end:
                _tell(partition, expected, await reader.require_no_record(partition, expected, end))
                yield EventRecord(Offset(end - 1), None)

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Start reading every shard from an offset; `read` returns the records."""
        self._tail = _Tail(self._kafka, self._events, starts)
        await self._tail.start(self._timeout_s)

    async def read(self, shard: ShardId, *, through: Offset | None = None) -> list[EventRecord]:
        """Return the records that have arrived since the last call; given an offset, wait for the record there."""
        assert self._tail is not None
        what = f"read shard {shard} back (an open transaction of somebody else's holds readers up)"
        async with _bounded(what, self._timeout_s, self._kafka):
            return await self._tail.take(shard, through)

    async def append(self, shard: ShardId, payloads: Sequence[bytes]) -> Offset:
        """Append records in order and wait until the broker confirms them. Returns the last one's offset."""
        async with _bounded(f"append to shard {shard}", self._timeout_s, self._kafka):
            sent = [
                await self._producer.send(self._events, value=payload, partition=shard)
                for payload in payloads
            ]
            placed = [await each for each in sent]
        return Offset(placed[-1].offset)

    async def close(self) -> None:
        """Close the connections, whatever state they are in."""
        closing = [self._open.aclose()]
        if self._tail is not None:
            closing.append(self._tail.close())
        if self._producer is not None:
            closing.append(self._producer.stop())
        await asyncio.gather(*(_give_up_after(each, _STOP_TIMEOUT_S) for each in closing))

    @asynccontextmanager
    async def _committed(self) -> AsyncIterator[Reader]:
        assert self._reader is not None
        async with self._reading, _bounded("read from the broker", _LOAD_TIMEOUT_S, self._kafka):
            yield self._reader


class _Tail:
    """Reads all shards without end; records wait here until they are taken."""

    def __init__(self, kafka: KafkaAccess, topic: str, starts: Mapping[ShardId, Offset]) -> None:
        self._kafka = kafka
        self._starts = {TopicPartition(topic, shard): offset for shard, offset in starts.items()}
        self._waiting: dict[int, list[EventRecord]] = {shard: [] for shard in starts}
        self._reached: dict[int, int] = {shard: offset - 1 for shard, offset in starts.items()}
        self._bytes = 0
        self._gaps: set[tuple[int, int]] = set()
        """Shard and offset of each record that stands behind a gap without records."""
        self._news = asyncio.Condition()
        self._consumer: Any = None
        self._task: asyncio.Task[None] | None = None
        self._has_ended = False
        """Set by the task itself: while it wakes those who wait it is not done yet."""
        self._why: BaseException | None = None

    async def start(self, timeout_s: float) -> None:
        self._consumer = follower(self._kafka)
        async with _bounded("follow the log", timeout_s, self._kafka):
            await started(self._consumer, self._kafka)
        self._consumer.assign(list(self._starts))
        for partition, offset in self._starts.items():
            self._consumer.seek(partition, offset)
        self._task = asyncio.create_task(self._pump())

    async def take(self, shard: ShardId, through: Offset | None) -> list[EventRecord]:
        async with self._news:
            await self._news.wait_for(
                lambda: through is None or self._reached[shard] >= through or self._has_ended
            )
            if self._has_ended:
                why = self._why
                refused = why and denied(why, self._kafka)
                if isinstance(why, EventLogError):  # a record is missing: it says which
                    raise why
                raise (refused or InfrastructureError("the log can no longer be followed")) from why
            taken, self._waiting[shard] = self._waiting[shard], []
            self._bytes -= sum(len(record.payload or b"") for record in taken)
            self._news.notify_all()
        return taken

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await stopped(self._consumer)

    async def _pump(self) -> None:
        try:
            while True:
                batches = await self._consumer.getmany(timeout_ms=60_000)
                for partition, records in batches.items():
                    await self._check_gaps(partition, records)
                async with self._news:
                    for partition, records in batches.items():
                        self._put(partition.partition, records)
                    self._news.notify_all()
                    await self._news.wait_for(lambda: self._bytes < _BUFFERED_BYTES)
        except Exception as error:
            self._why = error
            raise
        finally:
            self._has_ended = True
            await asyncio.shield(self._wake())

    async def _check_gaps(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        """Check that no record is missing before each of these. Raises: EventLogError."""
        expected = self._reached[partition.partition] + 1
        for record in records:
            if record.offset > expected:
                passed = await require_no_record(self._consumer, partition, expected, record.offset)
                _tell(partition, expected, passed)
                self._gaps.add((partition.partition, record.offset))
            expected = record.offset + 1

    def _put(self, shard: int, records: Sequence[Any]) -> None:
        for record in records:
            if (shard, record.offset) in self._gaps:
                self._gaps.discard((shard, record.offset))
                self._waiting[shard].append(EventRecord(Offset(record.offset - 1), None))
            self._waiting[shard].append(EventRecord(Offset(record.offset), record.value or b""))
        self._bytes += sum(len(record.value or b"") for record in records)
        self._reached[shard] = records[-1].offset

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()


def _tell(partition: TopicPartition, first: int, passed: GapContents) -> None:
    log.warning(
        "passes over records of a foreign transaction",
        shard=partition.partition,
        offset=first,
        control_records=passed.control,
        aborted_records=passed.aborted,
    )


@asynccontextmanager
async def _bounded(what: str, timeout_s: float, kafka: KafkaAccess) -> AsyncIterator[None]:
    """Limit how long a call may take, and describe in one line what failed. Raises: InfrastructureError, AccessError."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise InfrastructureError(f"cannot {what}: no answer within {timeout_s} s") from None
    except (KafkaError, OSError) as error:
        refused = denied(error, kafka)
        if refused is not None:
            raise refused from error
        raise InfrastructureError(f"cannot {what}: {error or type(error).__name__}") from error


async def _give_up_after(closing: Any, timeout_s: float) -> None:
    """Stop waiting for a close that may hang; the process ends anyway."""
    task = asyncio.ensure_future(closing)
    await asyncio.wait([task], timeout=timeout_s)
    task.cancel()
    await asyncio.wait([task], timeout=_CANCEL_TIMEOUT_S)
    if task.done() and not task.cancelled():
        task.exception()  # or asyncio complains that nobody asked
