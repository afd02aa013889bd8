"""Read and write logs of a real broker as a test needs it."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition


async def read_committed(
    bootstrap: str, topic: str, partition: int
) -> list[tuple[bytes | None, bytes | None]]:
    """Read keys and values of a partition from its beginning to its last stable offset."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )
    await consumer.start()
    try:
        at = TopicPartition(topic, partition)
        consumer.assign([at])
        end = (await consumer.end_offsets([at]))[at]
        await consumer.seek_to_beginning(at)
        found: list[tuple[bytes | None, bytes | None]] = []
        async with asyncio.timeout(60):
            while await consumer.position(at) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


async def append(bootstrap: str, topic: str, partition: int, payloads: Sequence[bytes | None]) -> None:
    """Append records as the writers of a log do: idempotent, not in a transaction."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=16 * 1024 * 1024
    )
    await producer.start()
    try:
        sent = [await producer.send(topic, key=b"-", value=value, partition=partition) for value in payloads]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
