"""A record of a newer release halts the shard before it, in worker and watcher alike; nothing is lost."""

import asyncio
import contextlib
import re

import pytest
from fake_world import OWNERS, POOLS, fake_policy
from intents import intent
from rigs import Rig
from signer_stage import SIGNER, STRANGER, Stage
from stories import SAID_ON, ListLog, story, undisturbed

from pipeline.errors import JournalError, NewerRecordError
from pipeline.messages.events import BlockSeen, IntentRefused, Paused, PolicySet, WriterStarted
from pipeline.units import ShardId
from streams.kafka.checkpoint.fake import FakeBroker, FakeCheckpoint
from streams.kafka.codec import decode_output, encode
from streams.kafka.topics import STATE
from streams.submit.inbox import KafkaInbox
from streams.work import keepers as keepers_module
from streams.work.keeper import WAITING_RECORDS, Arrived
from streams.work.keepers import Keepers

LOGS = {ShardId(0): story(1), ShardId(1): story(2)}
NEWER = b'{"type":"BlockSeen.4","term":"1","nobody":"knows"}'
SAYS = re.escape(
    "BlockSeen of version 4, known are versions up to 3: written by a newer Evenkeel: upgrade the workers first"
)


def newer(payload: bytes) -> bytes:
    """Give a record the version behind ours."""
    return re.sub(rb'"type":"(\w+)"', rb'"type":"\1.2"', payload, count=1)


# ------------------------------------------------------------------ the worker
class Worker:
    """A worker without Faust on logs of which one may hold what it cannot read."""

    def __init__(self, broker: FakeBroker, logs: dict) -> None:
        self.errors: list[BaseException] = []
        self.acknowledged: list[tuple[int, int]] = []
        self.logs = logs
        self.keepers = Keepers(lambda: FakeCheckpoint(broker), ListLog(logs), self.errors.append)
        self.keepers.own(logs)

    async def deliver(self, *shards: int) -> None:
        for shard in shards:
            for offset, payload in enumerate(self.logs[shard]):
                said = (shard, offset)
                await self.keepers.arrive(
                    ShardId(shard), Arrived(offset, payload, lambda at=said: self.acknowledged.append(at))
                )

    def cursor(self, shard: int) -> int:
        return self.keepers._keepers[ShardId(shard)].cursor

    async def reaches(self, shard: int, offset: int) -> None:
        async with asyncio.timeout(60):
            while self.cursor(shard) != offset:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@pytest.fixture
def quick(monkeypatch):
    """Watch and end two hundred times as soon."""
    for name in ("WATCH_EVERY_S", "UNDELIVERED_S", "STALLED_S"):
        monkeypatch.setattr(keepers_module, name, getattr(keepers_module, name) / 200)


async def test_a_worker_commits_what_comes_before_and_halts_that_shard_alone(caplog):
    broker, at = FakeBroker(), 9
    worker = Worker(broker, {ShardId(0): (*LOGS[0][:at], NEWER, *LOGS[0][at:]), ShardId(1): LOGS[1]})
    await worker.deliver(0, 1)
    await worker.reaches(1, len(LOGS[1]) - 1)
    await worker.reaches(0, at - 1)
    halted = worker.keepers._keepers[ShardId(0)]
    hint = re.escape(f"; if none wrote it: `evenkeel skip shard/0 {at}`")
    assert re.fullmatch(rf"events\.v1\[0\]@{at}: {SAYS}{hint}", halted.halted)
    assert "shard 0 is HALTED, the others go on: events.v1[0]@9: BlockSeen of version 4" in caplog.text
    assert not broker.read("dead-letters.v1", ShardId(0))[
        len(undisturbed(0, LOGS[0][:at])[0].get("dead-letters.v1", [])) :
    ]
    assert max((offset for shard, offset in worker.acknowledged if shard == 0), default=-1) < at
    await worker.keepers.release_all()
    assert worker.errors == []


async def test_a_newer_worker_goes_on_where_the_older_one_halted():
    """The newer one reads the record as what it is; here it is one that ours can read."""
    broker, log, at = FakeBroker(), LOGS[0], 9
    older = Worker(broker, {ShardId(0): (*log[:at], newer(log[at]), *log[at + 1 :])})
    await older.deliver(0)
    await older.reaches(0, at - 1)
    await older.keepers.release_all()
    upgraded = Worker(broker, {ShardId(0): log})
    await upgraded.deliver(0)
    await upgraded.reaches(0, len(log) - 1)
    await upgraded.keepers.release_all()
    said, entries = undisturbed(ShardId(0), log)
    assert {
        topic: broker.read(topic, ShardId(0)) for topic in SAID_ON if broker.read(topic, ShardId(0))
    } == said
    assert await FakeCheckpoint(broker).open(ShardId(0)) == entries


async def test_a_halted_shard_holds_no_other_up_and_ends_no_process(quick):
    log = (*LOGS[0][:5], NEWER, *LOGS[0][5:] * (1 + WAITING_RECORDS // len(LOGS[0])))
    worker = Worker(FakeBroker(), {ShardId(0): log, ShardId(1): LOGS[1]})
    await worker.deliver(0)  # more than may wait
    await worker.deliver(1)
    await worker.reaches(1, len(LOGS[1]) - 1)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(worker.keepers.watch(), keepers_module.STALLED_S * 3)
    assert worker.cursor(0) == 4
    await worker.keepers.release_all()
    assert worker.errors == []


async def test_a_state_that_a_newer_worker_wrote_is_not_opened():
    broker = FakeBroker()
    worker = Worker(broker, {ShardId(0): LOGS[0]})
    await worker.deliver(0)
    await worker.reaches(0, len(LOGS[0]) - 1)
    await worker.keepers.release_all()
    key, value = next(each for each in reversed(broker.read(STATE.name, ShardId(0))) if each[0] == b"writer")
    broker.committed[STATE.name, ShardId(0)].append((key, b'{"version":"2",' + value[1:]))
    with pytest.raises(
        NewerRecordError, match=r"state\.v1.*: writer: Writer of version 2, known are versions up to 1"
    ):
        await FakeCheckpoint(broker).open(ShardId(0))


# ------------------------------------------------------------------ the watcher
async def test_a_watcher_appends_nothing_behind_it_and_goes_on_with_the_others() -> None:
    async with Rig() as rig:
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0])))
        await rig.append(1, PolicySet(policy=fake_policy("two", OWNERS[1])))
        task = rig.start()
        await rig.settled()
        await rig.broker.append(0, [newer(encode(Paused(scope="all", reason="r", by="me")))])
        before = len(rig.broker.logs[0])
        rig.chain.mine(rig.world.swap(POOLS[0]))
        rig.chain.mine()
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert isinstance(rig.events(1)[-1], BlockSeen)
        assert len(rig.broker.logs[0]) == before
        assert not task.done()
        await rig.kill(task)

        again = rig.start()  # it does not even claim the shard
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert len(rig.broker.logs[0]) == before
        assert any(isinstance(event, WriterStarted) for event in rig.events(1)[-3:])
        assert not again.done()


# ------------------------------------------------------------------ the signer
@pytest.fixture
def stage():
    return Stage()


async def test_a_signer_refuses_a_newer_intent_and_goes_on(stage):
    process = await stage.start()
    one = intent(digest=77, offset=77, made_at=stage.node.blocks[-1].ref)
    stage.broker.intents[ShardId(0)].append(newer(encode(one)))
    wanted = stage.ask()
    await process.step()
    (refused,) = stage.reports(one)
    assert isinstance(refused, IntentRefused)
    assert refused.reason == "malformed"
    assert (
        "SubmitTransaction of version 2, known are versions up to 1: written by a newer Evenkeel"
        in refused.detail
    )
    assert stage.times_done(one) == 0
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]
    assert stage.broker.letters == []

    stage.broker.put(ShardId(0), one)  # the same name in a form that it reads: it has been answered
    await process.step()
    assert [each.reason for each in stage.reports(one)] == ["malformed", "already_closed"]


async def test_a_newer_intent_of_another_signer_is_passed_over_and_anything_else_is_kept(stage):
    process = await stage.start()
    other = newer(encode(intent(digest=78, offset=78, signer=STRANGER, made_at=stage.node.blocks[-1].ref)))
    nobody = b'{"type":"Batch","of":["intents"]}'
    nameless = b'{"type":"SubmitTransaction.2","signer":"%s","id":"what"}' % SIGNER.encode()
    stage.broker.intents[ShardId(0)] += [other, nobody, nameless]
    await process.step()
    assert [decode_output(letter.value).payload for letter in stage.broker.letters] == [nobody, nameless]
    assert stage.broker.logs[ShardId(0)] == []


async def test_a_newer_record_of_an_open_intents_name_closes_nothing(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    stage.broker.intents[wanted.because_of.shard].append(newer(encode(wanted)))
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]
    assert len(stage.broker.letters) == 1


async def test_a_journal_that_a_newer_signer_wrote_is_not_gone_on_from(stage, monkeypatch):
    await stage.start()
    with monkeypatch.context() as newer_signer:
        newer_signer.setattr("streams.submit.seal.encode", lambda entry: newer(encode(entry)))
        process = await stage.start()
        stage.ask()
        await process.step()
    with pytest.raises(
        JournalError, match=r"of version 2, known are versions up to 1: written by a newer Evenkeel"
    ):
        await stage.start()


def test_a_pause_that_cannot_be_read_pauses_everything():
    inbox = KafkaInbox.__new__(KafkaInbox)
    inbox.__init__(None, 1)

    class _Record:
        offset, value = 4, newer(encode(Paused(scope="book/other", reason="r", by="me")))

    assert inbox.stop_of(intent()) is None
    inbox._put_word(ShardId(0), _Record)
    stop = inbox.stop_of(intent())
    assert stop is not None
    assert not stop.cancels
