"""Foreign bytes on every topic: they disturb no reader, and where the state cannot be known their place is named."""

import asyncio
import re

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.errors import StateSpoiledError
from pipeline.keys import family
from pipeline.messages.decisions import Declined
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.codec import MAX_PAYLOAD_BYTES
from streams.kafka.readers import reading
from streams.kafka.topics import (
    BOOKS,
    DEAD_LETTERS,
    DECISIONS,
    OUTPUTS,
    STATE,
)
from streams.process import code_of
from streams.verify import Verdict, against_the_fold, load_shard
from streams.watch.kafka_log import KafkaLog
from streams.watch.port import routing_families

pytestmark = pytest.mark.kafka


NESTED = b"[" * 10_000
NO_MESSAGES = [
    b"",
    b"\x00\xff",
    b"null",
    b"[1, 2]",
    NESTED,
    b'{"type": ["Declined"], "id": {"a": 1}, "book": ["one"], "because_of": {"shard": "x", "offset": "\xc2\xb2"}}',
    b'{"type": "Declined", "id": 5, "block": {"number": 1, "hash": [2]}, "because_of": {"block": "none"}}',
    b'{"type": "BookView", "book": "alpha", "holdings": [7], "receipts": [3], "intent": ["0123456789abcdef"]}',
]
OVERSIZED = b'"' + b"a" * (MAX_PAYLOAD_BYTES + 1) + b'"'


def test_bytes_that_are_no_message_on_an_output_topic_disturb_no_reader(kept, desk, monkeypatch):
    """Every output topic, every command that reads one; what is right is shown as before."""
    decided = [output.id for output in kept.said if isinstance(output, Declined)]
    asyncio.run(tell(desk, kept))
    before = desk.run("inventory").out
    topics = [topic.name for topic in (*OUTPUTS, DEAD_LETTERS)]
    desk.commit(
        kept.shard.id, *[(t, f"book/{i}", each) for t in topics for i, each in enumerate(NO_MESSAGES)]
    )
    asyncio.run(put(desk, kept.shard.id, b"book/alpha", OVERSIZED, topic=BOOKS))
    ways = [(), ("--json",), ("--csv", "--book", "alpha"), ("--raw", "--type", "Rewound")]
    for topic, used in ((DECISIONS, ways), *((other, ways[:1]) for other in OUTPUTS if other != DECISIONS)):
        name = topic.name.removesuffix(".v1")
        for way in used:
            shown = desk.run("topics", "tail", name, "--no-follow", "--from-beginning", *way)
            assert (shown.code, "Traceback" in shown.err) == (0, False), (name, way, shown.err[-500:])
    found = desk.run("why", decided[0])
    assert found.code == 0, found.err
    assert "Declined" in found.out or "alpha" in found.out
    missing = desk.run("why", "0123456789abcdef")
    assert (missing.code, missing.err) == (1, "error: no intent has the digest 0123456789abcdef\n")
    assert unaged(desk.run("inventory").out) == unaged(before)
    for command in (("positions",), ("plans",), ("intents", "list"), ("topics", "list"), ("state", "show")):
        shown = desk.run(*command)
        assert (shown.code, "Traceback" in shown.err) == (0, False), (command, shown.err[-500:])
    verdict = Verdict()
    asyncio.run(compare(desk, kept.shard.id, verdict))
    assert any(
        "books.v1" in wrong and f"the first that differs: {desk.topic(BOOKS)}" in wrong
        for wrong in verdict.wrong
    )


def test_a_record_of_the_state_that_is_no_entry_is_named_by_its_place_until_it_is_replaced(kept, desk):
    """By everybody who reads the state: worker, watcher, whoever applies, inventory and doctor."""
    for key, payload, why in (
        (b"pool/0x12", b"\x00\xff", "pool/0x12: Input data was truncated|pool/0x12: JSON is malformed"),
        (b"policy/alpha", NESTED, "policy/alpha: "),
        (b"cursor", b'{"offset": "7"', "cursor: "),
        (b"head", OVERSIZED, "head: [0-9]+ bytes, more than "),
        (b"foreign", b"{}", "foreign: no entry has such a key"),
        (b"head/\xff", b"{}", r"head/\\xff: its key is not UTF-8"),
    ):
        good = kept.entry(key)
        end = asyncio.run(put(desk, kept.shard.id, key, payload))
        at = f"{desk.topic(STATE)}[{kept.shard.id}]@{end}"
        checkpoint = KafkaCheckpoint(KafkaAccess(desk.bootstrap), desk.chain_id, instance="test")
        with pytest.raises(
            StateSpoiledError, match=re.escape(at) + f" is not an entry .*: ({why})"
        ) as spoiled:
            asyncio.run(opened(checkpoint, kept.shard.id))
        assert code_of(spoiled.value, 70) == 65
        shown = desk.run("inventory")
        assert shown.code == 65, shown.err
        assert shown.err.startswith(
            f"error: {at} is not an entry of a shard's state, so the state cannot be known: "
        )
        assert len(shown.err.splitlines()) == 1
        if family(key.decode(errors="replace")) in routing_families():
            with pytest.raises(StateSpoiledError, match=re.escape(at)):
                asyncio.run(routing(desk, kept.shard.id))
        else:
            asyncio.run(routing(desk, kept.shard.id))
        asyncio.run(put(desk, kept.shard.id, key, good))
    assert desk.run("inventory").code == 0, "what has been replaced does no harm"
    asyncio.run(
        opened(KafkaCheckpoint(KafkaAccess(desk.bootstrap), desk.chain_id, instance="test"), kept.shard.id)
    )


def unaged(table: str) -> str:
    """Leave the ages out of a table, and the width that they give to a column."""
    return re.sub(r"\b\d+s\b|\s+|─+|━+", "", table)


async def tell(desk, kept) -> None:
    """Put what the shard has said where its worker would have."""
    records = [(record.topic, record.key.decode(), record.value) for record in kept.told]
    await desk._commit(kept.shard.id, records, "commit")


async def compare(desk, shard: int, verdict: Verdict) -> None:
    async with reading(KafkaAccess(desk.bootstrap)) as reader:
        await against_the_fold(reader, desk.chain_id, await load_shard(reader, desk.chain_id, shard), verdict)


async def put(desk, shard: int, key: bytes, value: bytes | None, *, topic=STATE) -> int:
    """Write one record as a stranger may: in no transaction, as large as they like once compressed."""
    producer = AIOKafkaProducer(
        bootstrap_servers=desk.bootstrap, compression_type="gzip", max_request_size=64 * 1024 * 1024
    )
    await producer.start()
    try:
        sent = await producer.send_and_wait(desk.topic(topic), key=key, value=value, partition=shard)
    finally:
        await producer.stop()
    return sent.offset


async def opened(checkpoint: KafkaCheckpoint, shard: int) -> None:
    try:
        await checkpoint.open(shard)
    finally:
        await checkpoint.close()


async def routing(desk, shard: int) -> None:
    watched = KafkaLog(KafkaAccess(desk.bootstrap), desk.chain_id, timeout_s=30)
    await watched.start()
    try:
        await watched.state(shard)
    finally:
        await watched.close()
