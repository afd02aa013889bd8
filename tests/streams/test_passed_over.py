"""An operator's command gets a shard past a record of an unknown type, in worker, watcher and verification alike."""

import asyncio
from hashlib import sha256

import pytest
from fake_world import OWNERS, POOLS, fake_policy
from rigs import Rig
from stories import ListLog, story

from pipeline import keys
from pipeline.errors import NewerRecordError
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import RecordPassedOver
from pipeline.messages.entries import PassedRecord
from pipeline.messages.events import BlockSeen, PassedOver, Paused, PolicySet, WriterStarted
from pipeline.state.shard import Shard
from pipeline.units import Offset, ShardId
from streams.fold_comparison import Refold
from streams.kafka.checkpoint.fake import FakeBroker, FakeCheckpoint
from streams.kafka.codec import decode_event, decode_output, encode
from streams.kafka.readers import Record
from streams.kafka.topics import DEAD_LETTERS, DECISIONS, OUTPUTS
from streams.skipped_records import SkipCommands
from streams.work import keepers as keepers_module
from streams.work.fold import fold_record, fold_unread
from streams.work.keeper import Arrived
from streams.work.keepers import Keepers

SHARD = ShardId(0)
NOBODYS = b'{"type":"Hedged","of":["nobody"]}'
NEWER_BLOCK = b'{"type":"BlockSeen.4","term":"1","nobody":"knows"}'
NEWER_REPORT = b'{"type":"Sent.2","intent":"00"}'
AT = 9
TOLD = story(1)


def word(offset: int, payload: bytes, **changes: object) -> bytes:
    fields = {"offset": offset, "digest": sha256(payload).hexdigest(), "reason": "nobody's", "by": "me"}
    return encode(PassedOver(**fields | changes))


def with_record(payload: bytes, *behind: bytes) -> tuple[bytes | None, ...]:
    """Put a record among those of a story, and operators' commands at its end."""
    return (*TOLD[:AT], payload, *TOLD[AT:], *behind)


def folded(log: tuple[bytes | None, ...], payload: bytes) -> tuple[Shard, list]:
    """Fold a log whose record is passed over, in one go."""
    shard, told = Shard(SHARD), []
    commands = SkipCommands((Offset(at), each) for at, each in enumerate(log))
    for at, each in enumerate(log):
        if at != AT:
            told += fold_record(shard, at, each)
            continue
        found = commands.find(at, payload)
        assert found is not None
        told += fold_unread(shard, at, payload, found)
    return shard, told


class Worker:
    """A worker without Faust, on a log that grows."""

    def __init__(self, broker: FakeBroker, log: tuple[bytes | None, ...]) -> None:
        self.errors: list[BaseException] = []
        self.logs = {SHARD: list(log)}
        self.keepers = Keepers(lambda: FakeCheckpoint(broker), ListLog(self.logs), self.errors.append)
        self.keepers.own([SHARD])

    async def deliver(self, start: int = 0) -> None:
        for offset, payload in enumerate(self.logs[SHARD][start:], start):
            await self.keepers.arrive(SHARD, Arrived(offset, payload, lambda: None))

    @property
    def keeper(self):
        return self.keepers._keeper(SHARD)

    async def until(self, holds) -> None:
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def reaches_the_end(self) -> None:
        await self.until(lambda: self.keeper.cursor == len(self.logs[SHARD]) - 1)


@pytest.fixture
def quick(monkeypatch):
    """Watch two hundred times as often."""
    monkeypatch.setattr(keepers_module, "WATCH_EVERY_S", keepers_module.WATCH_EVERY_S / 200)


def assert_is_the_fold(broker: FakeBroker, log: tuple[bytes | None, ...], payload: bytes) -> None:
    shard, told = folded(log, payload)
    for topic in (*OUTPUTS, DEAD_LETTERS):
        expected = [(each.key, each.value) for each in told if each.topic == topic.name]
        assert broker.read(topic.name, SHARD) == expected, topic.name
    letter = next(each for each in map(letters, broker.read(DEAD_LETTERS.name, SHARD)) if each.offset == AT)
    assert letter.payload == payload
    assert "passed over by me: nobody's" in letter.error
    assert shard.tables.need(keys.passed(AT), PassedRecord).reason == "nobody's"


def letters(record: tuple[bytes, bytes | None]) -> DeadLetter:
    said = decode_output(record[1] or b"")
    assert isinstance(said, DeadLetter)
    return said


# ------------------------------------------------------------------ the worker
@pytest.mark.parametrize("payload", [NOBODYS, NEWER_BLOCK], ids=["an unknown type", "a newer block"])
async def test_a_halted_shard_goes_on_once_an_operator_says_so(quick, payload):
    broker, log = FakeBroker(), with_record(payload)
    worker = Worker(broker, log)
    await worker.deliver()
    await worker.until(lambda: worker.keeper.is_halted)
    assert worker.keeper.halted.endswith(f"; if none wrote it: `evenkeel skip shard/0 {AT}`")
    said = word(AT, payload)
    watching = asyncio.create_task(worker.keepers.watch())
    worker.logs[SHARD].append(said)
    await worker.reaches_the_end()
    watching.cancel()
    await worker.keepers.release_all()
    assert worker.errors == []
    assert_is_the_fold(broker, (*log, said), payload)
    (passed,) = [
        each
        for _, value in broker.read(DECISIONS.name, SHARD)
        if isinstance(each := decode_output(value or b""), RecordPassedOver)
    ]
    assert (passed.because_of.offset, passed.record_type) == (AT, payload.split(b'"')[3].decode())


@pytest.mark.parametrize("start", [0, AT - 1, AT])
async def test_whoever_comes_to_it_later_halts_nowhere_and_comes_to_the_same(start):
    """From the log's beginning, or from a cursor right before the record: the command is found after it."""
    broker, log = FakeBroker(), with_record(NOBODYS, word(AT, NOBODYS))
    if start:
        before = Worker(broker, log[:start])
        await before.deliver()
        await before.reaches_the_end()
        await before.keepers.release_all()
    worker = Worker(broker, log)
    await worker.deliver(start)
    await worker.reaches_the_end()
    await worker.keepers.release_all()
    assert worker.errors == []
    assert_is_the_fold(broker, log, NOBODYS)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (NOBODYS, word(AT + 1, NOBODYS)),
        (NOBODYS, word(AT, NOBODYS + b" ")),
        (NOBODYS, b""),
        (NEWER_REPORT, word(AT, NEWER_REPORT)),
    ],
    ids=["another offset", "other bytes", "none", "what is said nowhere else"],
)
async def test_no_other_word_gets_it_past(quick, payload, said):
    worker = Worker(FakeBroker(), with_record(payload, said))
    await worker.deliver()
    await worker.until(lambda: worker.keeper.is_halted)
    watching = asyncio.create_task(worker.keepers.watch())
    await asyncio.sleep(10 * keepers_module.WATCH_EVERY_S)
    watching.cancel()
    assert worker.keeper.is_halted
    assert worker.keeper.cursor == AT - 1
    await worker.keepers.release_all()


def test_a_word_before_the_record_is_none():
    """Nobody can have seen it then."""
    assert SkipCommands([(Offset(3), word(AT, NOBODYS))]).find(Offset(AT), NOBODYS) is None
    assert SkipCommands([(Offset(AT + 1), word(AT, NOBODYS))]).find(Offset(AT), NOBODYS) is not None


# ------------------------------------------------------------------ verification
def wrong(shard: Shard, told: list, log: tuple[bytes | None, ...]) -> list[str]:
    again = Refold(shard, SkipCommands((Offset(at), each) for at, each in enumerate(log)))
    for at, each in enumerate(log):
        again.take(Offset(at), each)
    found = {
        topic.name: [
            Record(topic.name, SHARD, place, each.key, each.value, 0)
            for place, each in enumerate(one for one in told if one.topic == topic.name)
        ]
        for topic in (*OUTPUTS, DEAD_LETTERS)
    }
    differing = [again.compare(name, records, grows=False)[1] for name, records in found.items()]
    return [*filter(None, differing), *again.entries_that_differ(shard.tables.entries())]


def test_what_was_passed_over_is_verified_so_also_by_an_evenkeel_that_could_read_it():
    readable = encode(Paused(scope="all", reason="as a later Evenkeel reads it", by="me"))
    for payload in (NOBODYS, readable):
        log = with_record(payload, word(AT, payload))
        shard, told = folded(log, payload)
        assert wrong(shard, told, log) == []


def test_a_state_that_has_passed_a_record_over_without_a_word_is_told():
    log = with_record(NOBODYS, word(AT, NOBODYS))
    shard, told = folded(log, NOBODYS)
    with pytest.raises(NewerRecordError, match="Hedged of version 1, which is not known here"):
        wrong(shard, told, log[:-1])


# ------------------------------------------------------------------ the watcher
@pytest.mark.parametrize("starts", ["before the record", "between record and word", "behind both"])
async def test_a_watcher_goes_on_as_well(starts):
    async with Rig(partitions=1) as rig:
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0])))
        task = rig.start()
        await rig.settled()
        if starts != "before the record":
            await rig.kill(task)
        at = await rig.broker.append(0, [NOBODYS])
        if starts == "between record and word":
            task = rig.start()
            await rig.turns(2_000)
        if starts != "behind both":
            rig.chain.mine(rig.world.swap(POOLS[0]))
            await rig.turns(2_000)
            assert len(rig.broker.logs[0]) == at + 1, "nothing is written behind a halt"
        await rig.broker.append(0, [word(at, NOBODYS)])
        if starts == "behind both":
            task = rig.start()
        rig.chain.mine()
        head = rig.chain.head.block.hash

        def has_head() -> bool:
            return any(
                isinstance(each, BlockSeen) and each.block.hash == head for each in decoded(rig, at + 1)
            )

        await rig.until(has_head)
        claims = [each for each in decoded(rig, at + 1) if isinstance(each, WriterStarted)]
        assert len(claims) == (0 if starts == "before the record" else 1)
        assert not task.done()


def decoded(rig: Rig, start: int) -> list:
    return [decode_event(each, where="test") for each in rig.broker.logs[0][start:]]
