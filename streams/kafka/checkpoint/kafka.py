"""The checkpoint on a broker: one transactional producer per shard, and the shard's partition of `state.v1`."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline import keys
from pipeline.errors import CommitError, StateLostError
from pipeline.state.tables import Value
from pipeline.units import ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.clients import reader, transactional_producer
from streams.kafka.codec import encode_entry
from streams.kafka.errors import started, stopped
from streams.kafka.readers import Record, reading, record_of
from streams.kafka.roles import transactional_id_of_shard
from streams.kafka.topics import DEAD_LETTERS, OUTPUTS, STATE, TOPICS, TopicRecord
from streams.kafka.transactions import TransactionalWriter, broken_off

from .port import (
    CLOSE_TIMEOUT_S,
    COMMIT_TIMEOUT_S,
    OPEN_TIMEOUT_S,
    OPENED,
    bounded,
    cut_off,
    entries_of,
    keep_latest,
    nothing_kept,
)

_POLL_MS = 1_000


class KafkaCheckpoint:
    """One shard's entries on Kafka, for one process."""

    def __init__(
        self,
        kafka: KafkaAccess,
        chain_id: ChainId,
        *,
        instance: str,
        open_timeout_s: float = OPEN_TIMEOUT_S,
        commit_timeout_s: float = COMMIT_TIMEOUT_S,
    ) -> None:
        self._kafka = kafka
        self._instance = instance
        self._open_timeout_s = open_timeout_s
        self._commit_timeout_s = commit_timeout_s
        self._chain_id = chain_id
        self._topics = {name: topic.on(chain_id) for name, topic in TOPICS.items()}
        self._shard = ShardId(-1)
        self._producer: AIOKafkaProducer | None = None
        self._writer: TransactionalWriter | None = None
        self._usable = False

    async def open(self, shard: ShardId) -> dict[str, Value]:
        """Fence the shard's former owner and load what it committed.

        Raises: FencedError, CommitError, StateLostError, StateSpoiledError.
        """
        self._shard = shard
        entries = await bounded(self._open(), self._open_timeout_s, f"opening shard {shard}")
        self._usable = True
        return entries

    async def commit(self, records: Sequence[TopicRecord], changes: Mapping[str, Value | None]) -> None:
        """Write a batch's results in one transaction. Raises: FencedError, CommitError."""
        if not self._usable:
            raise CommitError(f"shard {self._shard} is not open, or a commit has failed")
        self._usable = False
        await bounded(
            self._commit(records, changes), self._commit_timeout_s, f"commit of shard {self._shard}"
        )
        self._usable = True

    async def close(self) -> None:
        """Release the shard. Never raises."""
        self._usable = False
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(CommitError, KafkaError, OSError):
                await bounded(producer.stop(), CLOSE_TIMEOUT_S, f"closing shard {self._shard}")

    # -------------------------------------------------------------- open
    async def _open(self) -> dict[str, Value]:
        marker = f"{self._instance}/{secrets.token_hex(8)}".encode()
        async with self._or_failing("opening"):
            self._producer = transactional_producer(
                self._kafka, transactional_id_of_shard(self._chain_id, self._shard)
            )
            await started(self._producer, self._kafka)  # fences, and aborts what the former owner left open
            self._writer = TransactionalWriter(self._producer, self._chain_id)
            await self._write([TopicRecord(STATE.name, OPENED, marker, self._shard)])
            entries = entries_of(await self._read_until(marker))
        if keys.CURSOR not in entries:
            await self._refuse_if_it_has_spoken()
        return entries

    async def _refuse_if_it_has_spoken(self) -> None:
        """Refuse a shard whose state is gone, which is not one that begins: its outputs and its cursor are committed together."""
        async with reading(self._kafka) as read:
            for topic in (*OUTPUTS, DEAD_LETTERS):
                name = self._topics[topic.name]
                async for record in read.read(dict.fromkeys(await read.shards(name, [self._shard]), 0)):
                    raise StateLostError(nothing_kept(self._shard, record.where))

    async def _read_until(self, marker: bytes) -> dict[bytes, Record]:
        """Read the shard's state from its beginning, as committed, to the marker of this opening: the last record of each key.

        Raises: StateLostError if it no longer begins where it began.
        """
        consumer = reader(self._kafka)
        await started(consumer, self._kafka)
        try:
            partition = TopicPartition(self._topics[STATE.name], self._shard)
            consumer.assign([partition])
            begins_at = (await consumer.beginning_offsets([partition]))[partition]
            if begins_at:  # compaction leaves the beginning where it was
                raise StateLostError(cut_off(partition.topic, self._shard, begins_at))
            await consumer.seek_to_beginning(partition)
            latest: dict[bytes, Record] = {}
            while True:
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    keep_latest(latest, map(record_of, records))
                    if any(record.value == marker for record in records):
                        return latest
        finally:
            await stopped(consumer)

    # -------------------------------------------------------------- commit
    async def _commit(self, records: Sequence[TopicRecord], changes: Mapping[str, Value | None]) -> None:
        async with self._or_failing("commit"):
            entries = [
                TopicRecord(
                    STATE.name, key.encode(), None if value is None else encode_entry(value), self._shard
                )
                for key, value in changes.items()
            ]
            await self._write([*records, *entries])

    async def _write(self, records: Sequence[TopicRecord]) -> None:
        assert self._writer is not None, "opened before"
        await self._writer.write(records)

    def _or_failing(self, what: str) -> AbstractAsyncContextManager[None]:
        shard = self._shard
        return broken_off(
            self._kafka, f"{what} of shard {shard}", fenced=f"shard {shard} has been opened by another"
        )
