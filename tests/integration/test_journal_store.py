"""The contract of a journal's store: the one in memory and the one on a broker pass the same tests."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable

import pytest
from kafka_logs import read_committed, until_marked

from pipeline.errors import CommitError, FencedError
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import DEAD_LETTERS, NONCES, TopicRecord, ensure_topics
from streams.submit.fake import FakeJournal, FakeSignerBroker
from streams.submit.journal import KafkaJournal, journal_shard
from streams.submit.port import JournalStore, Stored

pytestmark = pytest.mark.kafka

CHAIN_IDS = itertools.count(9_900_000 + os.getpid() % 1000 * 100)
SIGNER, OTHER = "0x" + "51" * 20, "0x" + "52" * 20
PARTITIONS = 3
MARKERS = (f"opened/{SIGNER}/{number}".encode() for number in itertools.count())


class Ground:
    """Processes of one signer on one journal, and what a stranger writes there."""

    def __init__(self, make: Callable[[], JournalStore], write, letters) -> None:
        self._make = make
        self.write = write
        self.letters = letters
        self.made: list[JournalStore] = []

    async def opened(self) -> tuple[JournalStore, list[Stored]]:
        store, taken = self._make(), []
        self.made.append(store)
        await store.open((f"opened/{SIGNER}".encode(), next(MARKERS)), taken.append)
        return store, taken


@pytest.fixture(params=["memory", "kafka"])
async def ground(request) -> AsyncIterator[Ground]:
    if request.param == "memory":
        memory = FakeSignerBroker()

        async def put(key: bytes, value: bytes | None) -> None:
            memory.write(key, value)

        async def letters() -> list[bytes | None]:
            return [letter.value for letter in memory.letters]

        ground = Ground(lambda: FakeJournal(memory), put, letters)
    else:
        bootstrap, chain_id = request.getfixturevalue("broker").bootstrap_servers, next(CHAIN_IDS)
        await ensure_topics(KafkaAccess(bootstrap), chain_id, PARTITIONS)

        async def put(key: bytes, value: bytes | None) -> None:
            await _put(bootstrap, NONCES.on(chain_id), key, value)

        async def letters() -> list[bytes | None]:
            topic = DEAD_LETTERS.on(chain_id)
            await until_marked(bootstrap, 0, topic)
            return [value for _, value in await read_committed(bootstrap, topic, 0)]

        ground = Ground(lambda: KafkaJournal(KafkaAccess(bootstrap), chain_id, SIGNER), put, letters)
    yield ground
    for store in ground.made:
        await store.close()


async def _put(bootstrap: str, topic: str, key: bytes, value: bytes | None) -> None:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key, partition=journal_shard(SIGNER, PARTITIONS))
    finally:
        await producer.stop()


def shown(taken: list[Stored]) -> list[tuple[bytes, bytes | None]]:
    """Leave the markers of former processes out."""
    return [(each.key, each.value) for each in taken if not each.key.startswith(b"opened/")]


def key(name: str, signer: str = SIGNER) -> bytes:
    return f"{name}/{signer}/1".encode()


async def test_what_was_committed_is_handed_over_in_order_with_its_places(ground):
    store, taken = await ground.opened()
    assert taken == []
    await store.commit({key("a"): b"1", key("b"): b"2"})
    await store.commit({key("a"): None, key("b"): b"3"})
    _, taken = await ground.opened()
    assert shown(taken) == [(key("a"), b"1"), (key("b"), b"2"), (key("a"), None), (key("b"), b"3")]
    assert [each.offset for each in taken] == sorted({each.offset for each in taken})
    assert len({each.partition for each in taken}) == 1
    assert taken[0].where == f"nonces.v1[{taken[0].partition}]@{taken[0].offset}"


async def test_what_a_stranger_writes_is_handed_over_as_it_is(ground):
    await ground.write(key("a"), b"\xff")
    await ground.write(f"x/{SIGNER}/".encode() + b"\xff\xfe", b"")
    await ground.write(key("a"), None)
    _, taken = await ground.opened()
    assert shown(taken) == [
        (key("a"), b"\xff"),
        (f"x/{SIGNER}/".encode() + b"\xff\xfe", b""),
        (key("a"), None),
    ]


async def test_what_is_under_no_key_of_the_signers_is_left_out(ground):
    for name in (key("a", OTHER), b"", b"a", f"a/{SIGNER}x/1".encode(), SIGNER.encode()):
        await ground.write(name, b"1")
    await ground.write(f"a/{SIGNER}".encode(), b"1")
    _, taken = await ground.opened()
    assert shown(taken) == [(f"a/{SIGNER}".encode(), b"1")]


async def test_the_newer_process_fences_the_older(ground):
    old, _ = await ground.opened()
    await old.commit({key("a"): b"1"})
    new, _ = await ground.opened()
    with pytest.raises(FencedError):
        await old.commit({key("a"): b"2"})
    await new.commit({key("b"): b"3"})
    _, taken = await ground.opened()
    assert shown(taken) == [(key("a"), b"1"), (key("b"), b"3")]


async def test_after_an_error_a_store_is_of_no_more_use(ground):
    old, _ = await ground.opened()
    await ground.opened()
    with pytest.raises(FencedError):
        await old.commit({key("a"): b"1"})
    with pytest.raises(CommitError, match="not open, or a commit has failed"):
        await old.commit({key("a"): b"1"})


async def test_records_of_other_topics_come_with_the_commit(ground):
    store, _ = await ground.opened()
    letters = [TopicRecord(DEAD_LETTERS.name, b"k", b"letter", 0)]
    await store.commit({key("a"): b"1"}, letters)
    await store.commit({}, letters)
    assert await ground.letters() == [b"letter", b"letter"]


async def test_a_closed_store_writes_nothing(ground):
    store, _ = await ground.opened()
    await asyncio.gather(store.close(), store.close())
    with pytest.raises(CommitError):
        await store.commit({key("a"): b"1"})
