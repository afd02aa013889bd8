"""Write records in a producer's transaction, and translate the broker's errors."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from operator import itemgetter

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder

from pipeline.errors import CommitError, FencedError
from pipeline.units import ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.errors import denied
from streams.kafka.topics import TOPICS, Topic, TopicRecord

_MARKED_S = 0.003
"""A commit is confirmed before its partitions are marked, mostly within 2 ms. Until then the broker refuses the next transaction,
and aiokafka tries again after 20 ms, whatever its back-off is."""


class TransactionalWriter:
    """Writes records with a producer of its own, one transaction after the other."""

    def __init__(self, producer: AIOKafkaProducer, chain_id: ChainId) -> None:
        """Take a producer that has been started."""
        self._producer = producer
        self._chain_id = chain_id
        self._begins_at_s = 0.0

    async def write(self, records: Iterable[TopicRecord]) -> None:
        """Write records in one transaction, each send awaited: a rejected batch does not fail the transaction by itself."""
        batches = self._packed(records)
        clock = asyncio.get_running_loop().time
        early_s = self._begins_at_s - clock()
        if early_s > 0:
            await asyncio.sleep(early_s)
        async with self._producer.transaction():
            sent = [
                await self._producer.send_batch(batch, topic.on(self._chain_id), partition=partition)
                for topic, partition, batch in batches
            ]
            await asyncio.gather(*sent)
        self._begins_at_s = clock() + _MARKED_S

    def _packed(self, records: Iterable[TopicRecord]) -> list[tuple[Topic, ShardId, BatchBuilder]]:
        """Pack records into batches: the first of each partition, then the second of each, for one waits for the one before it.

        A send of each record by itself takes four times as much processor time.
        """
        packed: dict[tuple[str, ShardId], list[BatchBuilder]] = {}
        for each in records:
            key, value = each.key, each.value
            batches = packed.setdefault((each.topic, each.partition), [])
            if not batches or batches[-1].append(timestamp=None, key=key, value=value) is None:  # it is full
                batches.append(self._producer.create_batch())
                batches[-1].append(timestamp=None, key=key, value=value)  # the first one may be of any size
        placed = [
            (place, TOPICS[topic], partition, batch)
            for (topic, partition), batches in packed.items()
            for place, batch in enumerate(batches)
        ]
        placed.sort(key=itemgetter(0))
        return [(topic, partition, batch) for _, topic, partition, batch in placed]


@asynccontextmanager
async def broken_off(kafka: KafkaAccess, what: str, *, fenced: str) -> AsyncIterator[None]:
    """Convert the broker's errors into ours; `fenced` says who has taken over.

    Raises: FencedError, AccessError, CommitError.
    """
    try:
        yield
    except (ProducerFenced, InvalidProducerEpoch) as error:
        raise FencedError(f"{fenced}: {error!r}") from error
    except (KafkaError, IllegalOperation, OSError, TimeoutError) as error:
        # IllegalOperation: the transaction broke off behind our back, between two sends
        refused = denied(error, kafka)
        if refused is not None:
            raise refused from error
        raise CommitError(f"{what} failed: {error!r}") from error
