"""Read a shard's log without being given it: for the records that were not delivered, and to see where it ends."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.errors import AccessError, EventLogError
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka_access import KafkaAccess
from streams.kafka_errors import denied, started
from streams.topics import EVENTS, MAX_RECORD_BYTES

_ANSWER_TIMEOUT_S = 15.0
_POLL_MS = 500


class EventLog(Protocol):
    """The shards' logs, as they lie on the broker."""

    def between(
        self, shard: ShardId, first: Offset, end: Offset
    ) -> AsyncIterator[tuple[Offset, bytes | None]]:
        """Read the records from `first` to before `end`, each of them.

        Raises: EventLogError if one is not there any more, or does not come.
        """

    async def ends(self, shards: Iterable[ShardId]) -> Mapping[ShardId, Offset]:
        """Tell where the next record of each shard will stand. Raises: EventLogError."""


class KafkaEventLog:
    """The logs on a broker, read by a consumer of no group."""

    def __init__(self, kafka: KafkaAccess, chain_id: ChainId) -> None:
        self._kafka = kafka
        self._topic = EVENTS.on(chain_id)

    async def between(
        self, shard: ShardId, first: Offset, end: Offset
    ) -> AsyncIterator[tuple[Offset, bytes | None]]:
        """Read the records from `first` to before `end`, each of them. Raises: EventLogError."""
        partition = TopicPartition(self._topic, shard)
        consumer = await self._consumer()
        try:
            await self._require(consumer, partition, first)
            consumer.assign([partition])
            consumer.seek(partition, first)
            expected = first
            while expected < end:
                for record in await self._next(consumer, partition, expected):
                    if record.offset != expected:
                        raise EventLogError(
                            f"{self._topic}[{shard}]: {record.offset} came where {expected} was expected"
                        )
                    yield expected, record.value
                    expected = Offset(expected + 1)
                    if expected == end:
                        return
        finally:
            await consumer.stop()

    async def ends(self, shards: Iterable[ShardId]) -> Mapping[ShardId, Offset]:
        """Tell where the next record of each shard will stand. Raises: EventLogError."""
        partitions = {TopicPartition(self._topic, shard): shard for shard in shards}
        consumer = await self._consumer()
        try:
            ends = await self._answer(consumer.end_offsets(list(partitions)))
        finally:
            await consumer.stop()
        return {shard: ends[partition] for partition, shard in partitions.items()}

    async def _consumer(self) -> Any:
        consumer = AIOKafkaConsumer(
            **self._kafka.client(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )
        try:
            await self._answer(started(consumer, self._kafka))
        except (EventLogError, AccessError):
            await consumer.stop()
            raise
        return consumer

    async def _require(self, consumer: Any, partition: TopicPartition, first: Offset) -> None:
        begins = (await self._answer(consumer.beginning_offsets([partition])))[partition]
        if begins > first:
            raise EventLogError(
                f"{self._topic}[{partition.partition}]: {first} is to be read next, but the log now begins at "
                f"{begins}: its retention is too short, and what is gone cannot be folded any more"
            )

    async def _next(self, consumer: Any, partition: TopicPartition, expected: Offset) -> list[Any]:
        """Await the next records, for so long at most."""

        async def some() -> list[Any]:
            while True:
                found = await consumer.getmany(timeout_ms=_POLL_MS)
                if found:
                    return list(found[partition])

        try:
            records: list[Any] = await self._answer(some())
        except EventLogError as error:
            raise EventLogError(f"{self._topic}[{partition.partition}]@{expected}: {error}") from error
        return records

    async def _answer(self, question: Any) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                return await question
        except (KafkaError, OSError, TimeoutError) as error:
            refused = denied(error, self._kafka, topic=self._topic)
            if refused is not None:
                raise refused from error
            raise EventLogError(f"no answer from {self._kafka.bootstrap}: {error!r}") from error
