"""Construct every aiokafka client, one constructor per use, with the settings shared by them and Faust."""

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.access import KafkaAccess

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""Of one record. Topics are created with it; a client that allows less refuses what the broker would take."""

REQUEST_S = 15.0
"""For one answer of the broker. A whole commit has no more, an opening twice as much: see the checkpoint's port."""
_TRANSACTION_MS = 10_000
"""The broker aborts a transaction that is left open for longer; until then it holds up all who read what is committed."""
_BATCH_BYTES = 1024 * 1024
"""What one request holds of a partition at most: at aiokafka's 16 kB one batch of a worker would be many requests."""
_RETRY_MS = 10
"""Kafka 4 first answers NOT_ENOUGH_REPLICAS to aiokafka's old request in a transaction: soon again, not after 100 ms."""
_QUESTION_WAIT_MS = 20
"""How long a reader's fetch may wait for records: a question for offsets waits behind it, on the same connection."""

_SAFE = {"acks": "all", "linger_ms": 0}
"""Confirmed by all replicas in sync; sent at once, for what is written together is handed over together."""
_COMMITTED = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,  # none of them belongs to a group
    "max_partition_fetch_bytes": MAX_RECORD_BYTES,
}

FAUST: dict[str, Any] = {
    "consumer_auto_offset_reset": "earliest",  # a new group's shards begin at their beginning
    "consumer_max_fetch_size": MAX_RECORD_BYTES,
    "broker_commit_interval": 0.5,  # the group's offsets are only where it starts to look; state has its own cursor
    # a broker that has just restarted may not know its topics yet: a group that was assigned then is assigned nothing, and
    # stands still until its leader asks for the topics again (the default: after 5 minutes)
    "consumer_metadata_max_age_ms": 10_000,
    "broker_session_timeout": 10.0,  # after which a worker that died gives its shards up
    "broker_heartbeat_interval": 2.0,
    "broker_request_timeout": 2
    * REQUEST_S,  # who joins a group is answered when its other members have joined again
}
"""The worker's consumer, in Faust's words."""


# ------------------------------------------------------------------ producers
def transactional_producer(kafka: KafkaAccess, transactional_id: str) -> AIOKafkaProducer:
    """Make the producer for transactions: a shard's state and outputs, a signer's journal.

    To start it fences the id's former producer. aiokafka commits a transaction of which the broker has rejected a
    batch, so await every send inside; and a produce that is never answered hangs, so bound every commit.
    """
    return AIOKafkaProducer(
        **kafka.client(),
        **_SAFE,
        transactional_id=transactional_id,
        transaction_timeout_ms=_TRANSACTION_MS,
        request_timeout_ms=_ms(REQUEST_S),
        retry_backoff_ms=_RETRY_MS,
        max_batch_size=_BATCH_BYTES,
        max_request_size=MAX_RECORD_BYTES,
        compression_type="zstd",  # entries are JSON, and an opening reads all of them
    )


def appending_producer(kafka: KafkaAccess, *, request_s: float = REQUEST_S) -> AIOKafkaProducer:
    """Make a producer of events: idempotent, never in a transaction, so that the log has no transaction markers of ours.

    It does not compress: a quiet block's record takes each of its readers 10 us to unpack, and saves 500 bytes.
    """
    return AIOKafkaProducer(
        **kafka.client(),
        **_SAFE,
        enable_idempotence=True,
        request_timeout_ms=_ms(request_s),
        retry_backoff_ms=_RETRY_MS,
        max_batch_size=_BATCH_BYTES,
        max_request_size=MAX_RECORD_BYTES,
    )


def plain_producer(kafka: KafkaAccess, *, request_s: float) -> AIOKafkaProducer:
    """Make a producer of records that may be written twice: heartbeats."""
    return AIOKafkaProducer(**kafka.client(), **_SAFE, request_timeout_ms=_ms(request_s))


# ------------------------------------------------------------------ readers
def reader(kafka: KafkaAccess) -> AIOKafkaConsumer:
    """Make a consumer for lookups: it reads from a partition's beginning, and is asked for ranges of offsets."""
    return AIOKafkaConsumer(
        **kafka.client(),
        **_COMMITTED,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_QUESTION_WAIT_MS,
    )


def follower(kafka: KafkaAccess) -> AIOKafkaConsumer:
    """Make a consumer that reads on from an offset, and fails where that is no longer kept, instead of skipping records."""
    return AIOKafkaConsumer(
        **kafka.client(), **_COMMITTED, auto_offset_reset="none", retry_backoff_ms=_RETRY_MS
    )


# ------------------------------------------------------------------ admin
def admin(kafka: KafkaAccess) -> AIOKafkaAdminClient:
    """Make a client for topics, groups and ACLs. It keeps aiokafka's timeout of 40 s: its callers have shorter ones."""
    return AIOKafkaAdminClient(**kafka.client())


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
