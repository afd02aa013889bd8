"""Write records in a producer's transaction, and translate the broker's errors."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced

from pipeline.errors import CommitError, FencedError
from pipeline.units import ChainId
from streams.kafka.access import KafkaAccess
from streams.kafka.errors import denied
from streams.kafka.topics import TOPICS, TopicRecord


async def write_whole(producer: AIOKafkaProducer, chain_id: ChainId, records: Iterable[TopicRecord]) -> None:
    """Write records in one transaction, each send awaited: a rejected batch does not fail the transaction by itself."""
    async with producer.transaction():
        sent = [
            await producer.send(TOPICS[topic].on(chain_id), key=key, value=value, partition=partition)
            for topic, key, value, partition in records
        ]
        await asyncio.gather(*sent)


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
