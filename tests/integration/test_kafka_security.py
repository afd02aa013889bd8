"""Kafka with SASL, TLS and ACLs on a real broker: each role can do its work, and nothing else."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from certificates import Authority
from pydantic import SecretStr
from secured_broker import ADMIN, SecuredBroker, secured_broker

from pipeline.errors import AccessError, EvenkeelError, InfrastructureError
from pipeline.units import ChainId
from streams.kafka.access import KafkaAccess, Login, tls_context
from streams.kafka.readers import reading
from streams.kafka.roles import ROLES, acls
from streams.kafka.topics import TOPICS, check_topics, ensure_topics

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(900),
    # of a producer that the broker refuses aiokafka 0.14 may lose its first connection without closing it, seen in 6 of 18 runs:
    # told whenever the garbage is collected, in whichever test that is
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <(function _SelectorTransport.__del__|socket.socket fd)"
        ":pytest.PytestUnraisableExceptionWarning"
    ),
]

SIGNER, OTHER_SIGNER = "0x" + "51" * 20, "0x" + "52" * 20
PARTITIONS = 2
QUIET = ChainId(8_800_001)
"""A deployment where nothing runs: for what must be refused."""
_new_chains = itertools.count(8_800_100)

READS = {
    "watch": {"events.v1", "state.v1"},
    "work": set(TOPICS) - {"nonces.v1", "processes.v1"},
    "submit": {"events.v1", "state.v1", "intents.v1", "nonces.v1"},
    "rehearse": {"events.v1", "state.v1", "decisions.v1"},
    "view": set(TOPICS),
    "operate": set(TOPICS),
}
WRITES = {
    "watch": {"events.v1", "processes.v1"},
    "work": set(TOPICS) - {"nonces.v1", "events.v1"},
    "submit": {"events.v1", "nonces.v1", "dead-letters.v1", "processes.v1"},
    "rehearse": {"events.v1", "processes.v1"},
    "view": set(),
    "operate": {"events.v1", "processes.v1"},
}
TRANSACTIONS = {
    "work": {f"evenkeel-{QUIET}.shard-0", f"evenkeel-{QUIET}.shard-17"},
    "submit": {f"evenkeel-{QUIET}.signer-{SIGNER}"},
}
GROUPS = {"work": {f"evenkeel-{QUIET}.work"}}


@pytest.fixture(autouse=True)
def no_connection_is_left_to_other_tests() -> Iterator[None]:
    """Collect what aiokafka left open while this file's filter holds."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[SecuredBroker]:
    """A broker with a user of each role, and a deployment where nothing runs."""
    folder = tmp_path_factory.mktemp("secured")
    with secured_broker(folder, cache, [*ROLES, "nobody"]) as broker:
        asyncio.run(_deploy(broker, QUIET, SIGNER))
        yield broker


async def _deploy(broker: SecuredBroker, chain_id: ChainId, signer: str) -> None:
    for role in ROLES:
        await broker.allow(role, acls(role, chain_id, signer=signer if role == "submit" else None))
    await ensure_topics(broker.access("operate"), chain_id, PARTITIONS)


# ------------------------------------------------------------------ who one is
@pytest.mark.parametrize("tls", [True, False], ids=["SASL_SSL", "SASL_PLAINTEXT"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_every_mechanism_is_taken_with_and_without_tls(secured, mechanism, tls):
    await check_topics(secured.access("view", mechanism, tls=tls), QUIET, PARTITIONS)


async def test_a_client_certificate_is_a_user(secured):
    kafka = secured.by_certificate(secured.authority.issue("viewer"))
    with pytest.raises(AccessError, match="may not use topic"):
        await check_topics(kafka, QUIET, PARTITIONS)
    await secured.allow("CN=viewer", acls("view", QUIET))
    await check_topics(kafka, QUIET, PARTITIONS)


def _with_password(kafka: KafkaAccess, password: str) -> KafkaAccess:
    assert kafka.login is not None
    return replace(kafka, login=Login(kafka.login.mechanism, kafka.login.user, SecretStr(password)))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_said_in_one_line(secured, mechanism):
    kafka = _with_password(secured.access("view", mechanism), "canary-password")
    with pytest.raises(AccessError) as caught:
        await check_topics(kafka, QUIET, PARTITIONS)
    assert "does not know user view with this password" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_an_untrusted_certificate_is_said_in_one_line(secured, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    for ca in (None, stranger.ca):
        kafka = replace(secured.access("view"), tls=tls_context(ca, None, None))
        with pytest.raises(AccessError, match=r"certificate that is not trusted: .*EVENKEEL_KAFKA_CA"):
            async with reading(kafka):
                pass


async def test_the_certificate_must_name_the_host(secured):
    kafka = secured.access("view")
    by_name = replace(kafka, bootstrap=kafka.bootstrap.replace("127.0.0.1", "localhost"))
    with pytest.raises(AccessError, match=r"not trusted: Hostname mismatch.*'localhost'"):
        async with reading(by_name):
            pass


@pytest.mark.parametrize("listener", ["sasl_ssl", "sasl_plaintext", "ssl"])
async def test_a_listener_of_another_kind_names_the_setting(secured, listener):
    login, tls = secured.access("view").login, secured.access("view").tls
    own = {"sasl_ssl": (login, tls), "sasl_plaintext": (login, None), "ssl": (None, tls)}
    others = [ways for kind, ways in own.items() if kind != listener] + [(None, None)]
    for login_there, tls_there in others:
        kafka = KafkaAccess(f"127.0.0.1:{secured.ports[listener]}", login=login_there, tls=tls_there)
        with pytest.raises((AccessError, InfrastructureError), match="EVENKEEL_KAFKA_") as caught:
            async with asyncio.timeout(60), reading(kafka):
                pass
        assert "\n" not in str(caught.value)


# ------------------------------------------------------------------ what one may do
@asynccontextmanager
async def producing(kafka: KafkaAccess, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**kafka.client(), enable_idempotence=True, **settings)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def may_write(kafka: KafkaAccess, topic: str) -> bool:
    try:
        async with producing(kafka) as producer:
            await producer.send_and_wait(topic, key=b"trial", value=b"trial", partition=0)
    except (
        TopicAuthorizationFailedError,
        ClusterAuthorizationFailedError,
    ):  # without any topic no producer id
        return False
    return True


async def may_read(kafka: KafkaAccess, topic: str) -> bool:
    consumer = AIOKafkaConsumer(
        **kafka.client(), enable_auto_commit=False, auto_offset_reset="earliest", retry_backoff_ms=20
    )
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        await consumer.getmany(timeout_ms=300)
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()
    return True


async def may_transact(kafka: KafkaAccess, name: str) -> bool:
    try:
        async with producing(kafka, transactional_id=name):
            return True
    except TransactionalIdAuthorizationFailed:
        return False


async def may_join(kafka: KafkaAccess, group: str) -> bool:
    consumer = AIOKafkaConsumer(
        f"evenkeel-{QUIET}.events.v1", **kafka.client(), group_id=group, enable_auto_commit=False
    )
    try:
        async with asyncio.timeout(60):
            await consumer.start()
    except GroupAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()
    return True


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_reads_and_writes_its_topics_and_no_other(secured, role):
    kafka = secured.access(role)
    names = {name: topic.on(QUIET) for name, topic in TOPICS.items()}
    assert {name for name, topic in names.items() if await may_read(kafka, topic)} == READS[role]
    assert {name for name, topic in names.items() if await may_write(kafka, topic)} == WRITES[role]


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_fences_only_its_own(secured, role):
    """Whoever may use a transactional id stops the process that has it: a shard's owner, a signer."""
    kafka = secured.access(role)
    names = [
        *(f"evenkeel-{QUIET}.shard-{shard}" for shard in (0, 17)),
        *(f"evenkeel-{QUIET}.signer-{signer}" for signer in (SIGNER, OTHER_SIGNER)),
        f"evenkeel-{QUIET}1.shard-0",
    ]
    assert {name for name in names if await may_transact(kafka, name)} == TRANSACTIONS.get(role, set())


@pytest.mark.parametrize("role", ROLES)
async def test_only_a_worker_is_in_the_workers_group(secured, role):
    groups = [f"evenkeel-{QUIET}.work", f"evenkeel-{QUIET}.work2"]
    found = {group for group in groups if await may_join(secured.access(role), group)}
    assert found == GROUPS.get(role, set())


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_changes_or_removes_a_topic(secured, role):
    """Not even the operator's: what a topic keeps is the memory of money."""
    name = TOPICS["nonces.v1"].on(QUIET)
    admin = AIOKafkaAdminClient(**secured.access(role).client())
    await admin.start()
    try:
        deleted = await admin.delete_topics([name])
        assert {for_code(code) for _, code in deleted.topic_error_codes} == {TopicAuthorizationFailedError}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "1"})
        (altered,) = await admin.alter_configs([resource])
        assert [for_code(found[0]) for found in altered.resources] == [TopicAuthorizationFailedError]
        with pytest.raises(TopicAuthorizationFailedError):
            await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=0)})
        made = await admin.create_topics([NewTopic(f"evenkeel-{QUIET}.more-{role}", 1, 1)])
        may_create = [code for _, code, *_ in made.topic_errors] == [0]
        assert may_create == (role == "operate")
    finally:
        await admin.close()


@pytest.mark.parametrize("role", ["watch", "work", "submit", "rehearse", "view"])
async def test_who_may_not_create_topics_uses_those_that_are_there(secured, role):
    await ensure_topics(secured.access(role), QUIET, PARTITIONS)
    chain_id = ChainId(next(_new_chains))
    await secured.allow(role, acls(role, chain_id, signer=SIGNER if role == "submit" else None))
    with pytest.raises(
        AccessError, match=rf"missing topics: .*user {role} may not create them.*evenkeel apply"
    ):
        await ensure_topics(secured.access(role), chain_id, PARTITIONS)


async def test_who_may_see_nothing_is_told_so_and_not_that_there_is_nothing(secured):
    kafka = secured.access("nobody")
    topic = TOPICS["events.v1"].on(QUIET)
    for asked in (ensure_topics, check_topics):
        with pytest.raises(AccessError, match=topic):
            await asked(kafka, QUIET, PARTITIONS)
    with pytest.raises(AccessError, match=rf"user nobody may not use topic {topic}"):
        async with reading(kafka) as reader:
            await reader.shards(topic)
    with pytest.raises(EvenkeelError, match="there is no topic"):
        async with reading(secured.access(ADMIN)) as reader:
            await reader.shards("evenkeel-1.events.v1")
