"""Topics of one partition, written and read by a plain Kafka client."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create_topic(server: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=server)
    await admin.start()
    answer = await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    assert answer.topic_errors[0][1] == 0


async def write_in_a_transaction(server: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=server, transactional_id=topic)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, value, partition=0)
    await producer.stop()


async def read(server: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=server,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    async with asyncio.timeout(90):
        values = [(await consumer.getone()).value for _ in range(count)]
    await consumer.stop()
    return values
