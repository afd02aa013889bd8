"""Read and write the logs of a real broker in tests."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.state.tables import Value
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.port import load
from streams.kafka.clients import appending_producer, reader
from streams.kafka.readers import Record
from streams.kafka.topics import STATE


def entries_of(
    records: Iterable[tuple[bytes | None, bytes | None]],
) -> dict[str, Value]:
    """Fold keys and values of a partition of state.v1 into a shard's entries."""
    return load(Record(STATE.name, 0, at, key, value, 0) for at, (key, value) in enumerate(records))


async def read_committed(
    bootstrap: str, topic: str, partition: int
) -> list[tuple[bytes | None, bytes | None]]:
    """Read keys and values of a partition from its beginning to its last stable offset."""
    consumer = reader(KafkaAccess(bootstrap))
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


async def until_marked(bootstrap: str, partition: int, *topics: str) -> None:
    """Wait until no transaction is open on a partition of topics: a commit is acknowledged before it is marked there."""
    written = await _ends(bootstrap, partition, topics, "read_uncommitted")

    async def is_marked() -> bool:
        marked = await _ends(bootstrap, partition, topics, "read_committed")
        return all(marked[at] >= end for at, end in written.items())

    async with asyncio.timeout(60):
        while not await is_marked():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _ends(
    bootstrap: str, partition: int, topics: Sequence[str], isolation_level: str
) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation_level)
    await consumer.start()
    try:
        return await consumer.end_offsets([TopicPartition(topic, partition) for topic in topics])
    finally:
        await consumer.stop()


async def append(bootstrap: str, topic: str, partition: int, payloads: Sequence[bytes | None]) -> None:
    """Append records as the writers of a log do: idempotent, not in a transaction."""
    producer = appending_producer(KafkaAccess(bootstrap))
    await producer.start()
    try:
        sent = [await producer.send(topic, key=b"-", value=value, partition=partition) for value in payloads]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def recreate(bootstrap: str, topic: str, partitions: int, settings: Mapping[str, str]) -> None:
    """Delete a topic and create it again, empty."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(60):
            while topic in await admin.list_topics():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=dict(settings))])
        async with asyncio.timeout(60):
            while any(each["error_code"] for each in await admin.describe_topics([topic])):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def delete_before_the_end(
    bootstrap: str, topic: str, partition: int, settings: Mapping[str, str]
) -> None:
    """Delete every record that a partition has; a compacted topic allows it only for a moment."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        for policy in ("compact,delete", settings["cleanup.policy"]):
            changed = {**settings, "cleanup.policy": policy}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=changed)])
            if policy != settings["cleanup.policy"]:
                at = TopicPartition(topic, partition)
                await admin.delete_records({at: RecordsToDelete(before_offset=-1)})
    finally:
        await admin.close()
