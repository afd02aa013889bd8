"""Whatever happens meanwhile, a shard's outputs and state equal an undisturbed fold of its log."""

import asyncio
from collections.abc import Sequence

import pytest
from depth import examples, spread
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import NO_MESSAGES, SAID_ON, ListLog, Log, Said, story, undisturbed

from pipeline.errors import CommitError, EventLogError, FencedError
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.entries import Cursor
from pipeline.messages.events import Paused
from pipeline.units import ShardId
from streams.kafka.checkpoint.fake import CRASH_POINTS, Crashed, FakeBroker, FakeCheckpoint
from streams.kafka.codec import decode_output, encode
from streams.kafka.topics import DEAD_LETTERS, POOL_STATES
from streams.work.keeper import WAITING_RECORDS, Arrived, ShardKeeper

SHARD = ShardId(1)
LOG = story(1)
BATCH = 5

few = settings(max_examples=examples(15), deadline=None)


class Process:
    """One life of a worker's keeper, with what it acknowledged."""

    def __init__(
        self, log: Log, checkpoint: FakeCheckpoint, events: ListLog | None = None, **limits: int
    ) -> None:
        self.log = log
        self.acknowledged = -1
        self.keeper = ShardKeeper(SHARD, checkpoint, events or ListLog({SHARD: log}), **limits)
        self.task = asyncio.ensure_future(self.keeper.keep())

    async def deliver(self, offsets: Sequence[int]) -> None:
        for offset in offsets:
            await self.keeper.arrive(
                Arrived(offset, self.log[offset], lambda at=offset: self.acknowledge(at))
            )

    async def deliver_one_by_one(self) -> None:
        for offset in range(len(self.log)):
            await self.deliver([offset])
            await self.settle()

    def acknowledge(self, offset: int) -> None:
        self.acknowledged = max(self.acknowledged, offset)

    async def settle(self) -> None:
        """Wait until all that arrived is applied, or the process is dead."""
        while self.keeper._waiting or self.keeper._busy:
            if self.task.done():
                await self.task
            await asyncio.sleep(0)

    async def end(self) -> None:
        await self.keeper.stop()
        await self.task


def said(broker: FakeBroker) -> Said:
    topics = {topic: broker.read(topic, SHARD) for topic in SAID_ON}
    return {topic: records for topic, records in topics.items() if records}


async def kept(broker: FakeBroker) -> dict[str, object]:
    return await FakeCheckpoint(broker).open(SHARD)


async def assert_as_undisturbed(broker: FakeBroker, log: Log = LOG) -> None:
    outputs, entries = undisturbed(SHARD, log)
    assert said(broker) == outputs
    assert await kept(broker) == entries


def test_the_story_is_worth_telling():
    outputs, entries = undisturbed(SHARD, LOG)
    assert {"swaps.v1", "decisions.v1", "positions.v1", "books.v1", "pool-states.v1", "intents.v1"} < {
        *outputs
    }
    assert [key for key, _ in outputs["pool-states.v1"]].count(b"rewound") == 1
    assert any(key.startswith("frame/") for key in entries)
    assert entries["cursor"] == Cursor(offset=len(LOG) - 1)


# ------------------------------------------------------------------ batches
@few
@given(st.integers(0, 9), st.lists(st.integers(1, 12), min_size=1, max_size=9), st.integers(1, 40))
def test_any_split_into_batches_says_and_keeps_the_same(seed, sizes, batch_records):
    log = story(seed)

    async def run() -> FakeBroker:
        broker = FakeBroker(seed=seed)
        process = Process(log, FakeCheckpoint(broker), batch_records=batch_records)
        at = 0
        while at < len(log):
            size = sizes[at % len(sizes)]
            await process.deliver(range(at, min(at + size, len(log))))
            await process.settle()
            at += size
        await process.end()
        await assert_as_undisturbed(broker, log)
        return broker

    asyncio.run(run())


async def test_a_batch_ends_at_its_bytes():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker), batch_bytes=1)
    commits: list[int] = []
    commit = process.keeper._checkpoint.commit

    async def counted(*args: object) -> None:
        commits.append(1)
        await commit(*args)

    process.keeper._checkpoint.commit = counted
    await process.deliver(range(len(LOG)))
    await process.settle()
    await process.end()
    empty = sum(not payload for payload in LOG)
    assert len(commits) == len(LOG) - empty
    await assert_as_undisturbed(broker)


async def test_records_that_come_twice_count_once():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker), batch_records=BATCH)
    for first in range(0, len(LOG), 3):
        await process.deliver(range(max(first - 7, 0), min(first + 3, len(LOG))))
        await process.settle()
    await process.end()
    await assert_as_undisturbed(broker)


async def test_what_does_not_fit_waits_on_the_broker():
    gate = asyncio.Event()

    class Slow(FakeCheckpoint):
        async def open(self, shard):
            await gate.wait()
            return await super().open(shard)

    log = tuple(encode(Paused(scope=f"book/{n}", reason="", by="")) for n in range(WAITING_RECORDS + 50))
    broker = FakeBroker()
    process = Process(log, Slow(broker))
    delivery = asyncio.ensure_future(process.deliver(range(len(log))))
    async with asyncio.timeout(60):
        while len(process.keeper._waiting) < WAITING_RECORDS:  # noqa: ASYNC110
            await asyncio.sleep(0)
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert not delivery.done()
    assert len(process.keeper._waiting) == WAITING_RECORDS
    gate.set()
    await delivery
    await process.settle()
    await process.end()
    assert (await kept(broker))["cursor"] == Cursor(offset=len(log) - 1)


# ------------------------------------------------------------------ crashes
async def crash_and_go_on(broker: FakeBroker, crash_at: tuple[int, str]) -> int:
    """Run until the crash, then restart from the last acknowledgement."""
    first = Process(LOG, FakeCheckpoint(broker, crash_at=crash_at), batch_records=BATCH)
    with pytest.raises(Crashed):
        await first.deliver_one_by_one()
    committed = (await kept(broker)).get("cursor", Cursor(offset=-1)).offset
    assert first.acknowledged <= committed, "acknowledged and not committed"
    second = Process(LOG, FakeCheckpoint(broker), batch_records=BATCH)
    await second.deliver(range(first.acknowledged + 1, len(LOG)))
    await second.settle()
    await second.end()
    return committed


@pytest.mark.parametrize(("point", "commit"), spread(CRASH_POINTS, range(len(LOG))))
async def test_a_crash_inside_a_commit_leaves_all_or_nothing(commit, point):
    broker = FakeBroker()
    committed = await crash_and_go_on(broker, (commit, point))
    assert committed == (commit if point == "committed, not acknowledged" else commit - 1)
    await assert_as_undisturbed(broker)


async def test_a_commit_that_hangs_is_given_up_and_shows_at_the_next_opening():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker, hang_at=0, commit_timeout_s=0.05))
    await process.deliver(range(10))
    with pytest.raises(CommitError, match=r"longer than 0\.05 s"):
        await process.task
    assert process.acknowledged == -1
    assert await kept(broker) == {}
    again = Process(LOG, FakeCheckpoint(broker))
    await again.deliver(range(len(LOG)))
    await again.settle()
    await again.end()
    await assert_as_undisturbed(broker)


async def test_a_frozen_twin_wakes_up_fenced_and_harms_nothing():
    broker = FakeBroker()
    twin = Process(LOG, FakeCheckpoint(broker), batch_records=BATCH)
    await twin.deliver(range(10))
    await twin.settle()
    owner = Process(LOG, FakeCheckpoint(broker), batch_records=BATCH)
    await owner.deliver(range(5, 20))
    await owner.settle()
    await twin.deliver(range(10, len(LOG)))
    with pytest.raises(FencedError):
        await twin.task
    await owner.deliver(range(20, len(LOG)))
    await owner.settle()
    await owner.end()
    await assert_as_undisturbed(broker)


async def test_a_torn_commit_leaves_state_outputs_and_cursor_untouched():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker))
    await process.deliver(range(10))
    await process.settle()
    before, entries = said(broker), await kept(broker)
    assert entries["cursor"] == Cursor(offset=9)
    broker.max_record_bytes = {POOL_STATES.name: 500}
    torn = Process(LOG, FakeCheckpoint(broker))
    await torn.deliver(range(10, len(LOG)))
    with pytest.raises(CommitError, match=r"pool-states\.v1 refuses b'pool/"):
        await torn.task
    assert torn.acknowledged == -1
    assert said(broker) == before
    assert await kept(broker) == entries
    broker.max_record_bytes = {}
    mended = Process(LOG, FakeCheckpoint(broker))
    await mended.deliver(range(10, len(LOG)))
    await mended.settle()
    await mended.end()
    await assert_as_undisturbed(broker)


# ------------------------------------------------------------------ gaps
@few
@given(st.sets(st.integers(0, len(LOG) - 2)), st.integers(1, 12))
def test_records_that_were_passed_over_are_read(passed_over, batch_records):
    async def run() -> None:
        broker = FakeBroker()
        events = ListLog({SHARD: LOG})
        process = Process(LOG, FakeCheckpoint(broker), events, batch_records=batch_records)
        await process.deliver([offset for offset in range(len(LOG)) if offset not in passed_over])
        await process.settle()
        await process.end()
        assert set(events.read) == passed_over
        await assert_as_undisturbed(broker)

    asyncio.run(run())


async def test_a_log_of_which_nothing_is_delivered_is_read():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker), batch_records=BATCH)
    process.keeper.read_on(len(LOG))
    while process.keeper.cursor < len(LOG) - 1:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await process.end()
    await assert_as_undisturbed(broker)


async def test_a_log_that_begins_after_the_cursor_is_an_error():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker), ListLog({SHARD: LOG}, begins=4))
    await process.deliver(range(6, len(LOG)))
    with pytest.raises(EventLogError, match="begins at 4"):
        await process.task
    assert await kept(broker) == {}


# ------------------------------------------------------------------ no messages
async def test_bytes_that_are_no_message_become_dead_letters_and_the_others_go_on():
    broker = FakeBroker()
    process = Process(LOG, FakeCheckpoint(broker))
    await process.deliver(range(len(LOG)))
    await process.settle()
    await process.end()
    letters = [decode_output(value) for _, value in broker.read(DEAD_LETTERS.name, SHARD)]
    assert all(isinstance(letter, DeadLetter) for letter in letters)
    at = [offset for offset, payload in enumerate(LOG) if payload in NO_MESSAGES]
    assert [(letter.topic, letter.partition, letter.offset) for letter in letters] == [
        ("events.v1", SHARD, offset) for offset in at
    ]
    assert [letter.payload for letter in letters] == [LOG[offset] or b"" for offset in at]
    assert all(f"events.v1[1]@{letter.offset}: " in letter.error for letter in letters)


async def test_the_others_are_as_if_those_bytes_had_never_been():
    clean = tuple(payload for payload in LOG if payload not in NO_MESSAGES)
    _, with_garbage = undisturbed(SHARD, LOG)
    _, without = undisturbed(SHARD, clean)
    assert {**with_garbage, "cursor": None} == {**without, "cursor": None}


async def test_a_dead_letter_of_bytes_without_end_fits_its_topic():
    huge = b"x" * (15 * 1024 * 1024)
    broker = FakeBroker()
    process = Process((huge,), FakeCheckpoint(broker))
    await process.deliver([0])
    await process.settle()
    await process.end()
    [(_, value)] = broker.read(DEAD_LETTERS.name, SHARD)
    letter = decode_output(value)
    assert letter.size_bytes == len(huge)
    assert huge.startswith(letter.payload)
