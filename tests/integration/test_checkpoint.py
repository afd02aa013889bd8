"""The contract of a checkpoint: the same tests for the one in memory and the one on a real broker."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from kafka_logs import read_committed, until_marked

from pipeline.errors import CommitError, FencedError, StateSpoiledError, TopicError
from pipeline.messages.base import BlockRef
from pipeline.messages.entries import Cursor, Frame, Head
from pipeline.state.tables import Value
from pipeline.units import BlockNumber, ChainId, GrowthX128, Hash, Liquidity, Offset, Seconds, ShardId
from pipeline.venues.uniswap_v3.forms.entries import TickInfo
from streams.devnet.broker import Broker
from streams.kafka.checkpoint.fake import Crashed, FakeBroker, FakeCheckpoint
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.checkpoint.port import Checkpoint
from streams.kafka.clients import REQUEST_S
from streams.kafka.codec import MAX_PAYLOAD_BYTES, encode_entry
from streams.kafka.topics import DECISIONS, STATE, SWAPS, TOPICS, TopicRecord, ensure_topics

SHARD = ShardId(1)
OTHER = ShardId(0)
SMALL_BYTES = 2_000

_chain_ids = itertools.count(920_000)

BLOCK = BlockRef(
    number=BlockNumber(7),
    hash=Hash("0x" + "07" * 32),
    parent_hash=Hash("0x" + "06" * 32),
    timestamp_s=Seconds(1_700_000_007),
)
TICK = TickInfo(
    liquidity_gross=Liquidity(2**128 - 1),
    liquidity_net=Liquidity(-(2**127)),
    outside0_x128=GrowthX128(2**256 - 1),
    outside1_x128=GrowthX128(0),
)


Changes = Mapping[str, Value | None]

_DIE = """
import asyncio, json, os, signal, sys
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import TopicRecord

async def die():
    checkpoint = KafkaCheckpoint(KafkaAccess({bootstrap!r}), {chain_id}, instance="dead")
    await checkpoint.open({shard})
    await checkpoint._producer.begin_transaction()
    for topic, key, value in json.loads(sys.argv[1]):
        name = checkpoint._topics[topic]
        value = None if value is None else value.encode()
        await checkpoint._producer.send_and_wait(name, key=key.encode(), value=value, partition={shard})
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(die())
"""


class Store(Protocol):
    """A broker, real or not, whose `decisions.v1` refuses records of more than `SMALL_BYTES`."""

    def checkpoint(self, *, commit_timeout_s: float = 15.0) -> Checkpoint: ...

    async def die_before_committing(self, records: Sequence[TopicRecord], changes: Changes) -> None:
        """Be an owner of the shard that wrote all this and died before it committed."""

    async def read(self, topic: str, shard: ShardId) -> list[tuple[bytes, bytes | None]]:
        """Read what is committed, without the markers of openings."""

    async def write_garbage(self, key: str, value: bytes) -> None:
        """Put bytes that are not an entry among the entries."""


class FakeStore:
    def __init__(self) -> None:
        self.broker = FakeBroker(max_record_bytes={DECISIONS.name: SMALL_BYTES})

    def checkpoint(self, *, commit_timeout_s: float = 15.0) -> Checkpoint:
        return FakeCheckpoint(self.broker, commit_timeout_s=commit_timeout_s)

    async def die_before_committing(self, records: Sequence[TopicRecord], changes: Changes) -> None:
        checkpoint = FakeCheckpoint(self.broker, crash_at=(0, "before commit"))
        await checkpoint.open(SHARD)
        with pytest.raises(Crashed):
            await checkpoint.commit(records, changes)

    async def read(self, topic: str, shard: ShardId) -> list[tuple[bytes, bytes | None]]:
        return [record for record in self.broker.read(topic, shard) if record[0] != b"opened"]

    async def write_garbage(self, key: str, value: bytes) -> None:
        self.broker.committed[STATE.name, SHARD].append((key.encode(), value))


class KafkaStore:
    def __init__(self, broker: Broker, chain_id: ChainId) -> None:
        self.broker = broker
        self.chain_id = chain_id

    async def prepare(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)
        await admin.start()
        settings = {**DECISIONS.settings, "max.message.bytes": str(SMALL_BYTES)}
        await admin.create_topics([NewTopic(DECISIONS.on(self.chain_id), 2, 1, topic_configs=settings)])
        await admin.close()
        with pytest.raises(TopicError, match=f"max.message.bytes is {SMALL_BYTES}, must be"):
            await ensure_topics(self.broker.kafka, self.chain_id, 2)

    def checkpoint(self, *, commit_timeout_s: float = 15.0) -> Checkpoint:
        return KafkaCheckpoint(
            self.broker.kafka, self.chain_id, instance="test", commit_timeout_s=commit_timeout_s
        )

    async def die_before_committing(self, records: Sequence[TopicRecord], changes: Changes) -> None:
        script = _DIE.format(bootstrap=self.broker.bootstrap_servers, chain_id=self.chain_id, shard=SHARD)
        entries = {
            key: None if value is None else encode_entry(value).decode() for key, value in changes.items()
        }
        written = [[record.topic, record.key.decode(), record.value.decode()] for record in records]
        written += [[STATE.name, key, value] for key, value in entries.items()]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, json.dumps(written), cwd=Path(__file__).parents[2]
        )
        assert await process.wait() == -signal.SIGKILL

    async def read(self, topic: str, shard: ShardId) -> list[tuple[bytes, bytes | None]]:
        name = TOPICS[topic].on(self.chain_id)
        await until_marked(self.broker.bootstrap_servers, shard, name)
        found = await read_committed(self.broker.bootstrap_servers, name, shard)
        return [record for record in found if record[0] != b"opened"]

    async def write_garbage(self, key: str, value: bytes) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap_servers)
        await producer.start()
        await producer.send_and_wait(STATE.on(self.chain_id), key=key.encode(), value=value, partition=SHARD)
        await producer.stop()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return FakeStore()
    store = KafkaStore(request.getfixturevalue("broker"), ChainId(next(_chain_ids)))
    await store.prepare()
    return store


@pytest.fixture
async def fresh(store: Store) -> AsyncIterator[Callable[[], Checkpoint]]:
    """Make checkpoints that are closed at the end."""
    made: list[Checkpoint] = []

    def make() -> Checkpoint:
        made.append(store.checkpoint())
        return made[-1]

    yield make
    for checkpoint in made:
        await checkpoint.close()


def decision(value: bytes | None, key: bytes = b"book/a", shard: ShardId = SHARD) -> TopicRecord:
    return TopicRecord(DECISIONS.name, key, value, shard)


def cursor(offset: int) -> dict[str, Value | None]:
    return {"cursor": Cursor(offset=Offset(offset))}


# ------------------------------------------------------------------ what is kept
async def test_a_shard_that_was_never_opened_has_no_entries(fresh: Callable[[], Checkpoint]) -> None:
    assert await fresh().open(SHARD) == {}


async def test_what_was_committed_is_there_when_opened_again(
    store: Store, fresh: Callable[[], Checkpoint]
) -> None:
    entries: dict[str, Value | None] = {
        "head": Head(block=BLOCK),
        "tick/0xaa/-60": TICK,
        "frame/7": Frame(
            block=BLOCK, overwritten={"tick/0xaa/-60": None, "tick/0xaa/60": TICK, "head": None}
        ),
        **cursor(3),
    }
    first = fresh()
    await first.open(SHARD)
    await first.commit([decision(b"one"), decision(b"two")], entries)
    await first.close()
    assert await fresh().open(SHARD) == entries
    assert await store.read(DECISIONS.name, SHARD) == [(b"book/a", b"one"), (b"book/a", b"two")]


async def test_the_last_value_of_a_key_counts_and_a_deletion_is_one(fresh: Callable[[], Checkpoint]) -> None:
    first = fresh()
    await first.open(SHARD)
    for offset in range(3):
        await first.commit([], {**cursor(offset), "tick/0xaa/60": TICK, f"frame/{offset}": None})
    await first.commit([], {**cursor(3), "tick/0xaa/60": None, "tick/0xaa/0": TICK})
    assert await fresh().open(SHARD) == {"cursor": Cursor(offset=Offset(3)), "tick/0xaa/0": TICK}


async def test_a_tombstone_is_written_as_one(store: Store, fresh: Callable[[], Checkpoint]) -> None:
    first = fresh()
    await first.open(SHARD)
    await first.commit([decision(None)], cursor(0))
    assert await store.read(DECISIONS.name, SHARD) == [(b"book/a", None)]


async def test_shards_do_not_mix(store: Store, fresh: Callable[[], Checkpoint]) -> None:
    one, other = fresh(), fresh()
    await one.open(SHARD)
    await other.open(OTHER)
    await one.commit([decision(b"one")], cursor(1))
    await other.commit([decision(b"other", shard=OTHER)], cursor(2))
    assert await fresh().open(SHARD) == cursor(1)
    assert await fresh().open(OTHER) == cursor(2)
    assert await store.read(DECISIONS.name, OTHER) == [(b"book/a", b"other")]


async def test_many_entries_come_back(fresh: Callable[[], Checkpoint]) -> None:
    entries: dict[str, Value | None] = {f"tick/0xaa/{tick}": TICK for tick in range(5_000)}
    first = fresh()
    await first.open(SHARD)
    await first.commit([], entries)
    assert await fresh().open(SHARD) == entries


# ------------------------------------------------------------------ who owns a shard
async def test_opening_fences_the_former_owner(store: Store, fresh: Callable[[], Checkpoint]) -> None:
    former, owner = fresh(), fresh()
    await former.open(SHARD)
    await former.commit([], cursor(0))
    assert await owner.open(SHARD) == cursor(0)
    with pytest.raises(FencedError, match="shard 1"):
        await former.commit([decision(b"stale")], cursor(99))
    await owner.commit([decision(b"fresh")], cursor(1))
    assert await store.read(DECISIONS.name, SHARD) == [(b"book/a", b"fresh")]
    assert await fresh().open(SHARD) == cursor(1)


async def test_the_owner_of_one_shard_does_not_fence_another_s(fresh: Callable[[], Checkpoint]) -> None:
    one, other = fresh(), fresh()
    await one.open(SHARD)
    await other.open(OTHER)
    await one.commit([], cursor(0))
    await other.commit([], cursor(0))


# ------------------------------------------------------------------ all or nothing
async def test_what_a_dead_owner_did_not_commit_is_never_seen(
    store: Store, fresh: Callable[[], Checkpoint]
) -> None:
    first = fresh()
    await first.open(SHARD)
    await first.commit([decision(b"before")], {**cursor(0), "tick/0xaa/0": TICK})
    await store.die_before_committing([decision(b"never")], {**cursor(1), "tick/0xaa/0": None})
    assert await fresh().open(SHARD) == {**cursor(0), "tick/0xaa/0": TICK}
    assert await store.read(DECISIONS.name, SHARD) == [(b"book/a", b"before")]


@pytest.mark.kafka
async def test_a_commit_on_a_broker_that_does_not_answer_is_given_up(own_broker: Broker) -> None:
    chain_id = ChainId(next(_chain_ids))
    await ensure_topics(own_broker.kafka, chain_id, 2)
    checkpoint = KafkaCheckpoint(own_broker.kafka, chain_id, instance="test", commit_timeout_s=2.0)
    await checkpoint.open(SHARD)
    own_broker.pause()
    try:
        began_s = time.monotonic()
        with pytest.raises(CommitError, match=r"longer than 2\.0 s"):
            await checkpoint.commit([decision(b"late")], cursor(0))
        assert time.monotonic() - began_s < REQUEST_S - 1, "before the client gives up by itself"
    finally:
        own_broker.resume()
        await checkpoint.close()


@pytest.mark.kafka
async def test_an_opening_on_a_broker_that_does_not_answer_is_given_up(own_broker: Broker) -> None:
    chain_id = ChainId(next(_chain_ids))
    await ensure_topics(own_broker.kafka, chain_id, 2)
    checkpoint = KafkaCheckpoint(own_broker.kafka, chain_id, instance="test", open_timeout_s=2.0)
    own_broker.pause()
    try:
        began_s = time.monotonic()
        with pytest.raises(CommitError, match=r"opening shard 1 took longer than 2\.0 s"):
            await checkpoint.open(SHARD)
        assert time.monotonic() - began_s < REQUEST_S - 1, "before the client gives up by itself"
    finally:
        own_broker.resume()
        await checkpoint.close()


async def test_a_record_that_its_topic_refuses_leaves_nothing_of_the_batch(
    store: Store, fresh: Callable[[], Checkpoint]
) -> None:
    first = fresh()
    await first.open(SHARD)
    await first.commit([decision(b"before")], {**cursor(0), "tick/0xaa/0": TICK})
    torn = [decision(b"small"), decision(os.urandom(2 * SMALL_BYTES)), decision(b"small too")]
    with pytest.raises(CommitError, match="shard 1"):
        await first.commit(torn, {**cursor(1), "tick/0xaa/0": None, "tick/0xaa/60": TICK})
    assert await store.read(DECISIONS.name, SHARD) == [(b"book/a", b"before")]
    assert await fresh().open(SHARD) == {**cursor(0), "tick/0xaa/0": TICK}


async def test_nothing_is_committed_after_a_commit_that_failed(
    store: Store, fresh: Callable[[], Checkpoint]
) -> None:
    first = fresh()
    await first.open(SHARD)
    with pytest.raises(CommitError):
        await first.commit([decision(os.urandom(2 * SMALL_BYTES))], cursor(0))
    with pytest.raises(CommitError, match="has failed"):
        await first.commit([decision(b"next")], cursor(1))
    assert await store.read(DECISIONS.name, SHARD) == []


async def test_a_commit_needs_an_open_shard(fresh: Callable[[], Checkpoint]) -> None:
    never, closed = fresh(), fresh()
    with pytest.raises(CommitError, match="not open"):
        await never.commit([], cursor(0))
    await closed.open(SHARD)
    await closed.close()
    with pytest.raises(CommitError, match="not open"):
        await closed.commit([], cursor(0))


async def test_an_entry_that_is_none_stops_the_opening(store: Store, fresh: Callable[[], Checkpoint]) -> None:
    await store.write_garbage("tick/0xaa/0", b'{"liquidity_gross":"1"}')
    with pytest.raises(
        StateSpoiledError, match=r"state.v1\[\d\]@0 is not an entry .*tick/0xaa/0: .*liquidity_net"
    ):
        await fresh().open(SHARD)


async def test_the_largest_record_that_a_message_may_make_is_taken(
    store: Store, fresh: Callable[[], Checkpoint]
) -> None:
    large = os.urandom(MAX_PAYLOAD_BYTES)
    first = fresh()
    await first.open(SHARD)
    await first.commit([TopicRecord(SWAPS.name, b"pool/0xaa", large, SHARD)], cursor(0))
    (found,) = await store.read(SWAPS.name, SHARD)
    assert found[1] == large, "other bytes"
