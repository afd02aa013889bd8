"""Topics are created with the required settings, and refused when they differ."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.new_partitions import NewPartitions

from pipeline.errors import TopicError
from pipeline.units import ChainId
from streams.devnet.broker import Broker
from streams.devnet.ports import free_port
from streams.kafka.access import KafkaAccess
from streams.kafka.clients import FAUST
from streams.kafka.topics import DECISIONS, EVENTS, STATE, TOPICS, check_topics, ensure_topics

pytestmark = pytest.mark.kafka

_chain_ids = itertools.count(910_000)


@pytest.fixture
def chain_id() -> ChainId:
    """One that no other test of the shared broker uses."""
    return ChainId(next(_chain_ids))


@pytest.fixture
async def admin(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await client.start()
    yield client
    await client.close()


async def alter(admin: AIOKafkaAdminClient, topic: str, **settings: str) -> None:
    # an alteration replaces all settings of the topic, so the other ones fall back to the broker's
    configs = {name.replace("_", "."): value for name, value in settings.items()}
    answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
    assert all(resource[0] == 0 for answer in answers for resource in answer.resources)


async def test_they_are_created_once_and_found_right_from_then_on(
    broker: Broker, chain_id: ChainId, admin: AIOKafkaAdminClient
) -> None:
    await ensure_topics(broker.kafka, chain_id, 3)
    await ensure_topics(broker.kafka, chain_id, 3)
    await check_topics(broker.kafka, chain_id, 3)
    names = [topic.on(chain_id) for topic in TOPICS.values()]
    described = await admin.describe_topics(names)
    assert {topic["topic"]: len(topic["partitions"]) for topic in described} == dict.fromkeys(names, 3)


async def test_workers_who_were_assigned_before_the_topic_was_there_get_its_shards_soon(
    broker: Broker, chain_id: ChainId
) -> None:
    """As after a restart of the broker, which answers before it knows its topics."""
    worker = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        group_id=f"workers-{chain_id}",
        metadata_max_age_ms=FAUST["consumer_metadata_max_age_ms"],
        max_poll_interval_ms=600_000,
    )
    await worker.start()
    try:
        worker.subscribe([EVENTS.on(chain_id)])
        await worker.getmany(timeout_ms=3_000)
        assert not worker.assignment()
        await ensure_topics(broker.kafka, chain_id, 3)
        async with asyncio.timeout(60):
            while len(worker.assignment()) < 3:
                await worker.getmany(timeout_ms=200)
    finally:
        await worker.stop()


async def test_only_what_is_missing_is_created(
    broker: Broker, chain_id: ChainId, admin: AIOKafkaAdminClient
) -> None:
    await admin.create_topics([NewTopic(EVENTS.on(chain_id), 2, 1, topic_configs=dict(EVENTS.settings))])
    await ensure_topics(broker.kafka, chain_id, 2)


async def test_a_check_creates_nothing(broker: Broker, chain_id: ChainId, admin: AIOKafkaAdminClient) -> None:
    with pytest.raises(TopicError, match=f"missing topics: {EVENTS.on(chain_id)}, {STATE.on(chain_id)}"):
        await check_topics(broker.kafka, chain_id, 2)
    assert EVENTS.on(chain_id) not in await admin.list_topics()


async def test_every_difference_is_named_at_once(
    broker: Broker, chain_id: ChainId, admin: AIOKafkaAdminClient
) -> None:
    await ensure_topics(broker.kafka, chain_id, 2)
    await alter(admin, EVENTS.on(chain_id), **{**EVENTS.settings, "retention.ms": "60000"})
    await alter(admin, STATE.on(chain_id), **{**STATE.settings, "cleanup.policy": "delete"})
    await admin.create_partitions({DECISIONS.on(chain_id): NewPartitions(total_count=5)})
    expected = sorted(
        [
            f"{EVENTS.on(chain_id)}: retention.ms is 60000, must be -1",
            f"{STATE.on(chain_id)}: cleanup.policy is delete, must be compact",
            f"{DECISIONS.on(chain_id)}: partitions is 5, must be 2",
        ]
    )
    async with asyncio.timeout(60):
        while await differences(broker, chain_id) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the broker takes its time to follow an alteration


async def differences(broker: Broker, chain_id: ChainId) -> list[str]:
    try:
        await ensure_topics(broker.kafka, chain_id, 2)
    except TopicError as refusal:
        return sorted(str(refusal).split("; "))
    return []


async def test_a_topic_that_cannot_be_created_is_named(broker: Broker, chain_id: ChainId) -> None:
    with pytest.raises(TopicError, match=EVENTS.on(chain_id)):
        await ensure_topics(broker.kafka, chain_id, 2, replication_factor=3)


async def test_a_broker_that_is_not_there_is_an_error_that_names_it(chain_id: ChainId) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(TopicError, match=nowhere):
        await check_topics(KafkaAccess(nowhere), chain_id, 2)
