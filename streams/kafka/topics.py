"""The topics, one line each, and how they are created and checked.

Every topic of a deployment has as many partitions as it has shards, and whatever belongs to a shard lies in
the partition with its number. All but `events.v1` and `processes.v1` are written in transactions: read them with
`isolation_level="read_committed"`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_args
from zlib import crc32

import msgspec
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from pipeline.errors import AccessError, TopicError, TopicMissingError
from pipeline.messages.base import View
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import AnyDecision
from pipeline.messages.entries import ENTRY_TYPES
from pipeline.messages.events import EVENT_TYPES
from pipeline.messages.journal import AnyJournal, JournalRecord
from pipeline.messages.processes import ProcessSeen
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView, Rewound, TradeSeen
from pipeline.units import BookId, ChainId, ShardId
from pipeline.venues.registry import all_forms
from streams.kafka import clients
from streams.kafka.access import KafkaAccess
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.errors import NOT_ALLOWED, denied, hidden, in_words, not_allowed, started

_ADMIN_TIMEOUT_S = 30.0
_TOPIC_EXISTS = 36
_CREATED_POLL_S = 0.05
_LEAST_COPIES = 2
"""Of what must not be lost with one broker."""

_EVERYWHERE = {"max.message.bytes": str(MAX_RECORD_BYTES), "message.timestamp.type": "LogAppendTime"}
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_LAST_PER_KEY = {"cleanup.policy": "compact"}
# a shard deletes a frame a block: without this they pile up and opening a shard grows slow
_SOON = {"segment.ms": "60000", "min.cleanable.dirty.ratio": "0.1", "max.compaction.lag.ms": "120000"}


class Topic(msgspec.Struct, frozen=True):
    """A topic's contents, and how the broker must keep it."""

    name: str
    key: str
    messages: tuple[type[Any], ...]
    kept: Mapping[str, str]
    """Retention or compaction, as the broker's settings."""

    def on(self, chain_id: ChainId) -> str:
        """Return the topic's name in one deployment."""
        return f"evenkeel-{chain_id}.{self.name}"

    @property
    def settings(self) -> Mapping[str, str]:
        """Every setting that must hold on the broker."""
        return {**_EVERYWHERE, **self.kept}


_OF_VENUES = all_forms()
_ENTRIES = tuple(dict.fromkeys([*ENTRY_TYPES.values(), *_OF_VENUES.entries.values()]))
_TRADES = tuple(kind for kind in _OF_VENUES.outputs if issubclass(kind, TradeSeen))


def _views(topic: str) -> tuple[type[View], ...]:
    return tuple(kind for kind in _OF_VENUES.outputs if issubclass(kind, View) and kind.topic == topic)


# the markers of a shard's rewinds stand between what it says, on every topic that it says something on
EVENTS = Topic("events.v1", "none", (*EVENT_TYPES, *_OF_VENUES.reads), _FOR_EVER)
STATE = Topic("state.v1", "entry", _ENTRIES, {**_LAST_PER_KEY, **_SOON})
SWAPS = Topic("swaps.v1", "pool", (*_TRADES, Rewound), _FOR_EVER)
DECISIONS = Topic("decisions.v1", "book or item", (*get_args(AnyDecision), Rewound), _FOR_EVER)
INTENTS = Topic("intents.v1", "book", (SubmitTransaction, Rewound), _FOR_EVER)
POOL_STATES = Topic("pool-states.v1", "pool", (*_views("pool-states"), Rewound), _LAST_PER_KEY)
POSITIONS = Topic("positions.v1", "position", (*_views("positions"), Rewound), _LAST_PER_KEY)
BOOKS = Topic("books.v1", "book", (BookView, Rewound), _LAST_PER_KEY)
DEAD_LETTERS = Topic("dead-letters.v1", "place of the record", (DeadLetter,), _FOR_EVER)
NONCES = Topic(
    "nonces.v1", "signer and nonce or intent", (JournalRecord, *get_args(AnyJournal)), _LAST_PER_KEY
)

_FOR_A_DAY = {"cleanup.policy": "compact,delete", "retention.ms": str(24 * 60 * 60 * 1000)}
PROCESSES = Topic("processes.v1", "role and instance", (ProcessSeen,), {**_FOR_A_DAY, **_SOON})

OUTPUTS = (SWAPS, DECISIONS, INTENTS, POOL_STATES, POSITIONS, BOOKS)
"""Where a shard says what it concludes: a rewind is told on each."""
TOPICS: Mapping[str, Topic] = {
    topic.name: topic for topic in (EVENTS, STATE, *OUTPUTS, DEAD_LETTERS, NONCES, PROCESSES)
}


class TopicRecord(msgspec.Struct, frozen=True, gc=False):
    """A record for one of a shard's partitions. The topic is without its deployment's prefix."""

    topic: str
    key: bytes
    value: bytes | None
    partition: ShardId


def shard_of(book: BookId, partitions: int) -> ShardId:
    """Return the shard of a book: crc32 of its id, modulo the partitions."""
    return ShardId(crc32(book.encode()) % partitions)


async def ensure_topics(
    kafka: KafkaAccess, chain_id: ChainId, partitions: int, *, replication_factor: int = 1
) -> None:
    """Create missing topics, for which only an operator's user has the permission, and check existing ones.

    Raises: TopicError naming every topic and setting that is not as it must be; AccessError naming the topics that
    the user may not see, or may not create.
    """
    async with _admin(kafka) as admin:
        missing = await _missing(admin, kafka, chain_id)
        if missing:
            topics = [topic for topic in TOPICS.values() if topic.on(chain_id) in missing]
            await _create(
                admin,
                kafka,
                topics,
                chain_id,
                partitions=partitions,
                replication_factor=replication_factor,
            )
        await _check(admin, chain_id, partitions)


async def check_topics(kafka: KafkaAccess, chain_id: ChainId, partitions: int) -> None:
    """Check that every topic exists with the required settings.

    Raises: TopicError naming every topic and setting that is not.
    """
    async with _admin(kafka) as admin:
        missing = await _missing(admin, kafka, chain_id)
        if missing:
            raise TopicMissingError(f"missing topics: {', '.join(missing)}")
        await _check(admin, chain_id, partitions)


async def check_copies(kafka: KafkaAccess, chain_id: ChainId) -> str | None:
    """Check that a signer's journal survives the loss of one broker; on a single broker, return a warning instead.

    Raises: TopicError naming what is not as it must be.
    """
    name = NONCES.on(chain_id)
    async with _admin(kafka) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
        ((topic,), settings) = await admin.describe_topics([name]), (await _settings(admin, [name]))[name]
    copies = min(len(partition["replicas"]) for partition in topic["partitions"])
    if brokers == 1 and copies == 1:
        return (
            f"{name} has one copy, on the only broker: what is lost with it are the nonces that were signed"
        )
    wrong = copies_missing(
        copies,
        int(settings.get("min.insync.replicas", "1")),
        unclean=settings.get("unclean.leader.election.enable", "false") != "false",
    )
    if wrong:
        raise TopicError(f"{name}: {'; '.join(wrong)}: a signer would forget what it signed with one broker")
    return None


def copies_missing(copies: int, in_sync: int, *, unclean: bool) -> list[str]:
    """Name the settings by which one broker's loss could lose a committed record, or by which none could be committed."""
    wrong = []
    if copies < _LEAST_COPIES:
        wrong.append(f"its replicas are {copies}, must be at least {_LEAST_COPIES}")
    if in_sync < _LEAST_COPIES:
        wrong.append(f"min.insync.replicas is {in_sync}, must be at least {_LEAST_COPIES}")
    if in_sync > copies:
        wrong.append(f"min.insync.replicas is {in_sync}, above its {copies} replicas: nothing can be written")
    if unclean:
        wrong.append("unclean.leader.election.enable is true, must be false")
    return wrong


@asynccontextmanager
async def _admin(kafka: KafkaAccess) -> AsyncIterator[Any]:
    admin = clients.admin(kafka)
    try:
        async with asyncio.timeout(_ADMIN_TIMEOUT_S):
            try:
                await started(admin, kafka)
                yield admin
            finally:
                await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        refused = denied(error, kafka)
        if refused is not None:
            raise refused from error
        if isinstance(error, KafkaError):
            why = in_words(error)
        else:
            why = repr(error) if str(error) else f"no answer in {_ADMIN_TIMEOUT_S:.0f} s by {kafka.protocol}"
        raise TopicError(f"cannot look at the topics on {kafka.bootstrap}: {why}") from error


async def _missing(admin: Any, kafka: KafkaAccess, chain_id: ChainId) -> list[str]:
    there = set(await admin.list_topics())
    unseen = [name for topic in TOPICS.values() if (name := topic.on(chain_id)) not in there]
    secret = await hidden(admin._client, unseen) if unseen else []  # noqa: SLF001
    if secret:
        raise not_allowed(kafka, "topic", secret)
    return unseen


async def _create(
    admin: Any,
    kafka: KafkaAccess,
    topics: Sequence[Topic],
    chain_id: ChainId,
    *,
    partitions: int,
    replication_factor: int,
) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(topic.on(chain_id), partitions, replication_factor, topic_configs=dict(topic.settings))
            for topic in topics
        ]
    )
    # errors come inside the answer; one that exists by now was made by somebody else and is checked next
    refused = [name for name, code, _ in answer.topic_errors if for_code(code) in NOT_ALLOWED]
    if refused:
        raise AccessError(
            f"missing topics: {', '.join(sorted(refused))}: {kafka.who} may not create them; "
            "`evenkeel apply` does, as a user of role operate"
        )
    failed = [
        f"{name}: {text or for_code(code).__name__}"
        for name, code, text in answer.topic_errors
        if code not in (0, _TOPIC_EXISTS)
    ]
    if failed:
        raise TopicError(f"cannot create topics: {'; '.join(failed)}")
    names = [topic.on(chain_id) for topic in topics]
    while any(topic["error_code"] for topic in await admin.describe_topics(names)):  # noqa: ASYNC110
        await asyncio.sleep(_CREATED_POLL_S)  # the broker answers before it knows of them itself


async def _check(admin: Any, chain_id: ChainId, partitions: int) -> None:
    """Compare the broker's settings with the required ones, and report all differences at once."""
    names = [topic.on(chain_id) for topic in TOPICS.values()]
    counts = await _partition_counts(admin, names)
    settings = await _settings(admin, names)
    wrong = []
    for topic in TOPICS.values():
        name = topic.on(chain_id)
        own_count = topic is NONCES  # a signer's memory outlives another number of shards
        expected = {"partitions": str(counts[name] if own_count else partitions), **topic.settings}
        found = {"partitions": str(counts[name]), **settings[name]}
        wrong += [
            f"{name}: {setting} is {found.get(setting, 'unknown')}, must be {value}"
            for setting, value in expected.items()
            if found.get(setting) != value
        ]
    if wrong:
        raise TopicError("; ".join(wrong))


async def _partition_counts(admin: Any, names: Sequence[str]) -> dict[str, int]:
    described = await admin.describe_topics(list(names))
    for topic in described:
        if for_code(topic["error_code"]) in NOT_ALLOWED:
            raise for_code(topic["error_code"])(topic["topic"])
        if topic["error_code"]:
            raise TopicError(f"{topic['topic']}: {for_code(topic['error_code']).__name__}")
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _settings(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in names]
    )
    found: dict[str, dict[str, str]] = {}
    for code, text, _, name, entries in (resource for answer in answers for resource in answer.resources):
        if for_code(code) in NOT_ALLOWED:
            raise for_code(code)(name)
        if code:
            raise TopicError(f"{name}: {text or for_code(code).__name__}")
        found[name] = {entry[0]: entry[1] for entry in entries}
    return found
