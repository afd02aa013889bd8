"""A signer detects lost memory: an empty journal, a recreated topic of intents, a chain that went back."""

from collections import defaultdict

import pytest
from signer_stage import SIGNER, Stage

from pipeline.errors import ForeignNonceError, JournalError, MemoryLostError, SettingsError
from pipeline.messages.journal import IntentsRead
from pipeline.units import ShardId
from streams.kafka.codec import encode
from streams.submit.fake import FakeInbox, FakeJournal, FakeReports
from streams.submit.fake_node import FAKE_CHAIN, FakeSigner
from streams.submit.journal_writer import JournalWriter
from streams.submit.sealed import SealedJournal
from streams.submit.startup import skip


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_lost_journal_does_not_execute_an_intent_twice(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    stage.node.mine()
    assert stage.times_done(wanted) == 1
    stage.broker.stored = []

    with pytest.raises(MemoryLostError, match=f"journal of {SIGNER} is empty, but its account has sent 6"):
        await stage.process().open()
    with pytest.raises(MemoryLostError):
        await stage.process(adopt_nonce=True).open()
    process = stage.process(new_signer=True)
    await process.open()
    for _ in range(3):
        await process.step()
        stage.node.mine()
    assert stage.times_done(wanted) == 1
    assert stage.bound() == []
    later = stage.ask()
    await process.step()
    stage.node.mine()
    assert stage.times_done(later) == 1


async def test_the_word_for_a_new_signer_is_not_taken_twice(stage):
    await stage.start()
    with pytest.raises(SettingsError, match="has a journal already, and signs nonce 5 next: leave it out"):
        await stage.process(new_signer=True).open()


async def test_an_unused_account_begins_without_a_word_and_answers_what_waits(stage):
    stage.node.first_nonce = 0
    wanted = stage.ask()
    process = stage.process()
    await process.open()
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]


# ------------------------------------------------------------------ cursors and their topic
async def read_some(stage: Stage) -> None:
    process = await stage.start()
    for _ in range(3):
        stage.ask()
        await process.step()
        stage.node.mine()
        await process.step()


def made_again(stage: Stage) -> None:
    stage.broker.intents = defaultdict(list)


def made_again_and_longer(stage: Stage) -> None:
    old, stage.broker.intents = stage.broker.intents[ShardId(0)], defaultdict(list)
    stage.broker.intents[ShardId(0)] = [*reversed(old), *old]


def restored(stage: Stage) -> None:
    del stage.broker.intents[ShardId(0)][-1]


@pytest.mark.parametrize("lose", [made_again, made_again_and_longer, restored], ids=lambda f: f.__name__)
async def test_a_topic_that_is_not_what_was_read_halts_until_it_is_passed_over(stage, lose):
    await read_some(stage)
    lose(stage)
    with pytest.raises(
        JournalError, match=r"intents\.v1\[0\] is not what the signer has read: .*--skip-intents"
    ):
        await stage.process().open()
    done = len(stage.node.effects())

    ledger = JournalWriter(
        SIGNER,
        SealedJournal(FakeJournal(stage.broker), FakeSigner(SIGNER), FAKE_CHAIN),
        FakeReports(stage.broker),
    )
    await ledger.open()
    await skip(ledger, FakeInbox(stage.broker), signer=SIGNER, shards=(ShardId(0), ShardId(1)))
    await ledger.commit()
    process = stage.process()
    await process.open()
    await process.step()
    stage.node.mine()
    assert len(stage.node.effects()) == done
    later = stage.ask()
    await process.step()
    assert "Signed" in stage.said(later)


async def test_other_partitions_than_the_cursors_halt(stage):
    await read_some(stage)
    ledger = JournalWriter(
        SIGNER,
        SealedJournal(FakeJournal(stage.broker), FakeSigner(SIGNER), FAKE_CHAIN),
        FakeReports(stage.broker),
    )
    await ledger.open()
    ledger.note_cursor(IntentsRead(signer=SIGNER, shard=ShardId(2), next_offset=0))
    await ledger.commit()
    with pytest.raises(JournalError, match=r"has read 3 partitions of intents\.v1, which has 2"):
        await stage.process().open()


async def test_records_in_front_of_an_unread_cursor_are_missed(stage):
    await stage.start()

    class Cut(FakeInbox):
        async def passed(self, shard, before):
            found = await super().passed(shard, before)
            return found._replace(begin=4, end=9)

    process = stage.process()
    process._inbox = Cut(stage.broker)
    with pytest.raises(JournalError, match="its first 4 records are gone, and none was read"):
        await process.open()


async def test_a_foreign_signers_record_is_read_like_any_other(stage):
    """A cursor remembers the last record, whoever it was for: else a stranger's record would halt every start."""
    process = await stage.start()
    stage.broker.intents[ShardId(0)] += [b"{", encode(stage.ask(signer="0x" + "77" * 20))]
    await process.step()
    await stage.process().open()


# ------------------------------------------------------------------ an operator accepts the chain's nonce
async def test_a_chain_behind_what_was_final_is_not_accepted_and_nothing_is_corrupted(stage):
    await read_some(stage)
    process = stage.process()
    await process.open()
    for _ in range(6):
        stage.node.mine()
        await process.step()
    waiting = [stage.ask() for _ in range(2)]
    await process.step()
    before = stage.broker.journal()
    stage.node.first_nonce -= 2
    for _ in range(2):
        with pytest.raises(ForeignNonceError, match=r"at nonce 6 although 8 were used and final"):
            await stage.process(adopt_nonce=True).open()
    after = stage.broker.journal()
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert changed == {f"opened/{SIGNER}".encode()}

    stage.node.first_nonce += 2
    process = stage.process()
    await process.open()
    await process.step()
    stage.node.mine()
    assert [stage.times_done(each) for each in waiting] == [1, 1]


async def test_nothing_to_accept_is_said_and_changes_nothing(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    stage.node.mine()
    with pytest.raises(SettingsError, match="chain and journal agree on every nonce"):
        await stage.process(adopt_nonce=True).open()
    await stage.process().open()
    assert [bound.intent.digest for bound in stage.bound()] == [wanted.digest]


async def test_accepting_keeps_what_is_ours_above_a_foreign_nonce(stage):
    """A mined transaction of ours above the foreign one may still be taken back by a reorg: it stays bound."""
    process = await stage.start()
    first, second = stage.ask(), stage.ask()
    await process.step()
    (hash_, taken) = stage.node.pool[5]
    stage.node.pool[5] = ("0x" + "ff" * 32, taken)
    stage.node.mine()
    await process.step()
    with pytest.raises(ForeignNonceError):
        await process.step()
    adopting = stage.process(adopt_nonce=True)
    await adopting.open()
    assert hash_ != stage.bound()[0].attempts[0].transaction_hash
    assert [bound.intent.digest for bound in stage.bound()] == [second.digest]
    assert stage.said(first)[-1] == "Dropped"
    stage.node.reorg(1, lose=True)
    stage.node.first_nonce += 1  # the foreign one stays
    await adopting.step()
    stage.node.mine()
    assert stage.times_done(second) == 1
