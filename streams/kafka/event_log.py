"""Read a shard's log at chosen offsets: records that were not delivered, and where the log ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from enum import Enum
from typing import Any, Literal, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import AccessError, EventLogError, LogLostError
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.clients import follower
from streams.kafka.errors import denied, started, stopped
from streams.kafka.markers import require_no_record
from streams.kafka.topics import EVENTS

_ANSWER_TIMEOUT_S = 15.0
_POLL_MS = 500

log = logging.getLogger(__name__)


class Nothing(Enum):
    """A range of offsets without a committed record."""

    PASSED = "passed"


PASSED = Nothing.PASSED
Payload = bytes | None | Literal[Nothing.PASSED]


class EventLog(Protocol):
    """The shards' logs on the broker."""

    def between(
        self, shard: ShardId, first: Offset, end: Offset
    ) -> AsyncGenerator[tuple[Offset, Payload], None]:
        """Return every record from `first` up to before `end`; of a gap without records, its last offset.

        Raises: EventLogError if a record is not there any more, or does not come.
        """

    async def ends(self, shards: Iterable[ShardId]) -> Mapping[ShardId, Offset]:
        """Return the offset of each shard's next record. Raises: EventLogError."""


class KafkaEventLog:
    """The logs on Kafka, read by a consumer without a group."""

    def __init__(self, kafka: KafkaAccess, chain_id: ChainId) -> None:
        self._kafka = kafka
        self._topic = EVENTS.on(chain_id)

    async def between(
        self, shard: ShardId, first: Offset, end: Offset
    ) -> AsyncGenerator[tuple[Offset, Payload], None]:
        """Return the records from `first` up to before `end`, and the gaps between them. Raises: EventLogError."""
        partition = TopicPartition(self._topic, shard)
        consumer = await self._consumer()
        try:
            await self._require(consumer, partition, first)
            consumer.assign([partition])
            consumer.seek(partition, first)
            expected = first
            while expected < end:
                records, position = await self._next(consumer, partition, expected)
                for record in records:
                    if record.offset >= end:
                        break
                    if record.offset > expected:
                        yield await self._passed(consumer, partition, expected, Offset(record.offset))
                    yield Offset(record.offset), record.value
                    expected = Offset(record.offset + 1)
                reached = Offset(min(position, end))
                if expected < reached:  # no record was left before it
                    yield await self._passed(consumer, partition, expected, reached)
                    expected = reached
        finally:
            await stopped(consumer)

    async def ends(self, shards: Iterable[ShardId]) -> Mapping[ShardId, Offset]:
        """Return the offset of each shard's next record. Raises: EventLogError."""
        partitions = {TopicPartition(self._topic, shard): shard for shard in shards}
        consumer = await self._consumer()
        try:
            ends = await self._answer(consumer.end_offsets(list(partitions)))
        finally:
            await stopped(consumer)
        return {shard: ends[partition] for partition, shard in partitions.items()}

    async def _consumer(self) -> Any:
        consumer = follower(self._kafka)
        try:
            await self._answer(started(consumer, self._kafka))
        except (EventLogError, AccessError):
            await stopped(consumer)
            raise
        return consumer

    async def _require(self, consumer: Any, partition: TopicPartition, first: Offset) -> None:
        begins = (await self._answer(consumer.beginning_offsets([partition])))[partition]
        if begins > first:
            raise LogLostError(
                f"{self._topic}[{partition.partition}]: {first} is to be read next, but the log now begins at "
                f"{begins}: its retention is too short, and what is gone cannot be folded any more"
            )

    async def _next(
        self, consumer: Any, partition: TopicPartition, expected: Offset
    ) -> tuple[list[Any], int]:
        """Await the next records for a limited time, and return up to where the log was read."""

        async def some() -> tuple[list[Any], int]:
            while True:
                found = await consumer.getmany(timeout_ms=_POLL_MS)
                position = await consumer.position(partition)  # moves over markers too
                if found or position > expected:
                    return list(found.get(partition, [])), position

        try:
            read: tuple[list[Any], int] = await self._answer(some())
        except EventLogError as error:
            raise EventLogError(f"{self._topic}[{partition.partition}]@{expected}: {error}") from error
        return read

    async def _passed(
        self, consumer: Any, partition: TopicPartition, first: Offset, end: Offset
    ) -> tuple[Offset, Payload]:
        """Check that a gap holds no record. Raises: EventLogError."""
        passed = await self._answer(require_no_record(consumer, partition, first, end))
        log.warning(
            "%s[%s]: passes over %s to %s, a transaction's: %s control records, %s aborted ones",
            *(self._topic, partition.partition, first, end - 1, passed.control, passed.aborted),
        )
        return Offset(end - 1), PASSED

    async def _answer(self, question: Any) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                return await question
        except (KafkaError, OSError, TimeoutError) as error:
            refused = denied(error, self._kafka, topic=self._topic)
            if refused is not None:
                raise refused from error
            raise EventLogError(f"no answer from {self._kafka.bootstrap}: {error!r}") from error
