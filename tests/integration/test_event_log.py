"""A log is read without a consumer group, completely or not at all."""

import itertools

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from kafka_logs import append

from pipeline.errors import EventLogError
from pipeline.units import ChainId, Offset, ShardId
from streams.devnet.broker import Broker
from streams.devnet.ports import free_port
from streams.kafka import event_log
from streams.kafka.access import KafkaAccess
from streams.kafka.event_log import KafkaEventLog
from streams.kafka.topics import EVENTS, ensure_topics

pytestmark = pytest.mark.kafka

SHARD = ShardId(1)
_chain_ids = itertools.count(940_000)


@pytest.fixture
async def chain_id(broker: Broker) -> ChainId:
    chain_id = ChainId(next(_chain_ids))
    await ensure_topics(broker.kafka, chain_id, 2)
    await append(broker.bootstrap_servers, EVENTS.on(chain_id), SHARD, [b"%d" % n for n in range(3_000)])
    return chain_id


async def read(log: KafkaEventLog, first: int, end: int) -> list[tuple[int, bytes | None]]:
    return [record async for record in log.between(SHARD, Offset(first), Offset(end))]


async def test_each_record_of_a_range_is_read(broker, chain_id):
    log = KafkaEventLog(broker.kafka, chain_id)
    assert await read(log, 5, 2_900) == [(n, b"%d" % n) for n in range(5, 2_900)]
    assert await read(log, 2_999, 3_000) == [(2_999, b"2999")]
    assert await read(log, 7, 7) == []


async def test_it_tells_where_each_shard_ends(broker, chain_id):
    ends = await KafkaEventLog(broker.kafka, chain_id).ends([ShardId(0), SHARD])
    assert ends == {0: 0, SHARD: 3_000}


async def test_a_record_that_is_gone_is_an_error_that_says_so(broker, chain_id):
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    await admin.delete_records(
        {TopicPartition(EVENTS.on(chain_id), SHARD): RecordsToDelete(before_offset=100)}
    )
    await admin.close()
    log = KafkaEventLog(broker.kafka, chain_id)
    assert len(await read(log, 100, 200)) == 100
    with pytest.raises(EventLogError, match=r"\[1\]: 99 is to be read next, but the log now begins at 100"):
        await read(log, 99, 200)


async def test_a_record_that_does_not_come_is_not_waited_for_without_end(broker, chain_id, monkeypatch):
    monkeypatch.setattr(event_log, "_ANSWER_TIMEOUT_S", 1.0)
    log = KafkaEventLog(broker.kafka, chain_id)
    with pytest.raises(EventLogError, match="@3000: no answer"):
        await read(log, 2_990, 3_001)


async def test_a_broker_that_is_not_there_is_an_error_that_names_it(chain_id):
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(EventLogError, match=nowhere):
        await KafkaEventLog(KafkaAccess(nowhere), chain_id).ends([SHARD])
