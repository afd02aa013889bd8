"""Store a signer's journal on a broker: its own transactional producer, and the keys of one partition of `nonces.v1`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any
from zlib import crc32

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline import keys
from pipeline.errors import CommitError, InfrastructureError
from pipeline.messages.journal import AnyReport
from pipeline.units import Address, ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.port import CLOSE_TIMEOUT_S, COMMIT_TIMEOUT_S, OPEN_TIMEOUT_S, bounded
from streams.kafka.clients import transactional_producer
from streams.kafka.codec import encode
from streams.kafka.errors import started
from streams.kafka.readers import Reader, broker_errors, reading
from streams.kafka.roles import transactional_id_of_signer
from streams.kafka.topics import EVENTS, NONCES, TopicRecord
from streams.kafka.transactions import TransactionalWriter, broken_off
from streams.policy_rollout import appending
from streams.submit.port import Stored

_HELD_BACK_S = 0.02


def journal_shard(signer: Address, partitions: int) -> ShardId:
    """Return the partition of `nonces.v1` that holds a signer's journal."""
    return ShardId(crc32(signer.encode()) % partitions)


def is_of(key: bytes, signer: Address) -> bool:
    """Return whether a key of `nonces.v1` is a signer's."""
    return keys.signer_of(key.decode(errors="replace")) == signer


async def journal_place(reader: Reader, chain_id: ChainId, signer: Address) -> TopicPartition:
    """Return the partition with a signer's journal, by the topic's own partition count, which the shards' does not change."""
    places = await reader.shards(NONCES.on(chain_id))
    return places[journal_shard(signer, len(places))]


async def stored_between(
    reader: Reader, place: TopicPartition, signer: Address, begin: int, end: int
) -> AsyncIterator[Stored]:
    """Read a signer's records from one offset up to before another."""
    async for record in reader.read_between(place, begin, end):
        key = record.key or b""
        if is_of(key, signer):
            yield Stored(key, record.value, record.shard, record.offset)


class KafkaJournal:
    """`submit_port.JournalStore` over Kafka."""

    def __init__(
        self,
        kafka: KafkaAccess,
        chain_id: ChainId,
        signer: Address,
        *,
        open_timeout_s: float = OPEN_TIMEOUT_S,
        commit_timeout_s: float = COMMIT_TIMEOUT_S,
    ) -> None:
        """Prepare; `open` connects."""
        self._kafka = kafka
        self._chain_id = chain_id
        self._signer = signer
        self._shard = ShardId(0)
        self._open_timeout_s = open_timeout_s
        self._commit_timeout_s = commit_timeout_s
        self._producer: Any = None
        self._writer: TransactionalWriter | None = None
        self._usable = False

    async def open(self, marker: tuple[bytes, bytes], take: Callable[[Stored], None]) -> None:
        """Fence the signer's former process and return what is stored. Raises: FencedError, CommitError."""
        await bounded(
            self._open(*marker, take), self._open_timeout_s, f"opening the journal of {self._signer}"
        )
        self._usable = True

    async def commit(self, records: Mapping[bytes, bytes | None], others: Sequence[TopicRecord] = ()) -> None:
        """Write values by key and records of other topics in one transaction. Raises: FencedError, CommitError."""
        if not self._usable:
            raise CommitError(f"the journal of {self._signer} is not open, or a commit has failed")
        self._usable = False
        own = [TopicRecord(NONCES.name, key, value, self._shard) for key, value in records.items()]
        await bounded(self._write([*own, *others]), self._commit_timeout_s, f"commit of {self._signer}")
        self._usable = True

    async def close(self) -> None:
        """Close the connections. Never raises."""
        self._usable = False
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(CommitError, KafkaError, OSError):
                await bounded(producer.stop(), CLOSE_TIMEOUT_S, f"closing the journal of {self._signer}")

    # -------------------------------------------------------------- to and from the broker
    async def _open(self, key: bytes, value: bytes, take: Callable[[Stored], None]) -> None:
        async with self._or_failing("opening"):
            self._producer = transactional_producer(
                self._kafka, transactional_id_of_signer(self._chain_id, self._signer)
            )
            await started(self._producer, self._kafka)  # fences, and aborts what the former process left open
            self._writer = TransactionalWriter(self._producer, self._chain_id)
        async with reading(self._kafka) as reader:
            place = await journal_place(reader, self._chain_id, self._signer)
            self._shard = ShardId(place.partition)
            await self._write([TopicRecord(NONCES.name, key, value, self._shard)])
            await self._read_to(reader, place, value, take)

    async def _read_to(
        self, reader: Reader, place: TopicPartition, marker: bytes, take: Callable[[Stored], None]
    ) -> None:
        """Read from the beginning to our own marker; another signer's open transaction may delay it a little."""
        position = 0
        while True:
            begin, end = (await reader.bounds([place]))[place]
            async for stored in stored_between(reader, place, self._signer, max(begin, position), end):
                if stored.value == marker:
                    return
                take(stored)
            position = end
            await asyncio.sleep(_HELD_BACK_S)

    async def _write(self, records: Sequence[TopicRecord]) -> None:
        assert self._writer is not None, "opened before"
        async with self._or_failing("commit"):
            await self._writer.write(records)

    def _or_failing(self, what: str) -> AbstractAsyncContextManager[None]:
        what_of_it = f"{what} of the journal of {self._signer}"
        return broken_off(self._kafka, what_of_it, fenced=f"another process signs for {self._signer} now")


class KafkaReports:
    """`submit_port.Reports` over Kafka: idempotent, outside transactions, so that the logs have no gaps."""

    def __init__(self, kafka: KafkaAccess, chain_id: ChainId) -> None:
        """Prepare; the first report connects."""
        self._kafka = kafka
        self._topic = EVENTS.on(chain_id)
        self._producer: Any = None
        self._open = AsyncExitStack()

    async def append(self, shard: ShardId, reports: Sequence[AnyReport]) -> None:
        """Append reports in order and wait until the broker confirms them. Raises: InfrastructureError."""
        async with broker_errors(self._kafka):
            if self._producer is None:
                self._producer = await self._open.enter_async_context(appending(self._kafka))
            sent = [
                await self._producer.send(self._topic, value=encode(report), partition=shard)
                for report in reports
            ]
            await asyncio.gather(*sent)

    async def close(self) -> None:
        """Close the connections. Never raises."""
        self._producer = None
        with suppress(InfrastructureError, KafkaError, OSError):
            await bounded(self._open.aclose(), CLOSE_TIMEOUT_S, "closing the reports' producer")
