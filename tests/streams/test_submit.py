"""A signer on a chain and a broker in memory: an intent has one effect through deaths, reorgs and repetitions."""

import asyncio
import os
import random
from collections import Counter

import msgspec
import pytest
from signer_stage import LIMITS, SIGNER, STRANGER, TIMING, Stage

from pipeline.errors import CommitError, FencedError, ForeignNonceError, NodeError
from pipeline.messages.events import Dropped, IntentRefused, Paused, Resumed, Sent, Signed
from pipeline.sign.nonces import status
from streams.kafka.checkpoint.fake import Crashed
from streams.submit.cancel_all import CancelAll
from streams.submit.fake import FakeJournal
from streams.submit.fake_node import FAKE_CHAIN, FakeSenderNode, FakeSigner
from streams.submit.sending import POINTS
from streams.submit.serve import Submit
from streams.submit.signer import Unsigned

GWEI = 10**9
SEEDS = int(os.environ.get("SENDER_SEEDS", "60"))


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ------------------------------------------------------------------ stories of everything at once
class Story:
    """A life drawn by a die: intents, blocks, branches, storms, deaths and twins."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.stage = Stage()
        self.process: Submit | None = None
        self.twins: list[Submit] = []
        self.died = Counter()
        self.fee_wei = GWEI

    async def run(self, steps: int = 80) -> None:
        acts = (
            (self.step, 12),
            (self.ask, 4),
            (self.mine, 6),
            (self.reorg, 1),
            (self.lose, 1),
            (self.twin, 1),
            (self.again, 1),
            (self.silence, 1),
            (self.weather, 2),
        )
        for _ in range(steps):
            (act,) = self.dice.choices([a for a, _ in acts], [w for _, w in acts])
            await act()
        await self.calm_down()

    async def step(self) -> None:
        stepping = self.dice.choice(self.twins) if self.twins and self.dice.random() < 0.3 else None
        await self._step(stepping)

    async def _step(self, twin: Submit | None) -> None:
        try:
            if twin is not None:
                await twin.step()
                return
            if self.process is None:
                self.process = await self.stage.start(reach=self.reach, crash_at=self.some_crash())
            await self.process.step()
        except NodeError:
            pass
        except (Crashed, FencedError, CommitError) as error:
            self.died[type(error).__name__] += 1
            if twin is None:
                self.process = None
            else:
                self.twins.remove(twin)

    def reach(self, point: str) -> None:
        if self.dice.random() < 0.06:
            raise Crashed(point)

    def some_crash(self):
        if self.dice.random() < 0.5:
            return None
        points = ("begin", "before commit", "committed, not acknowledged")
        return (self.dice.randrange(6), self.dice.choice(points))

    async def ask(self) -> None:
        stage = self.stage
        wanted = stage.ask(
            shard=self.dice.randrange(2),
            position=f"book/{self.dice.randrange(3)}",
            max_fee_gwei=self.dice.choice((3, 3, 200)),
        )
        if self.dice.random() < 0.5:
            stage.ask(
                shard=wanted.because_of.shard,
                position=wanted.position,
                after=wanted.digest,
                made_at=wanted.made_at,
            )

    async def mine(self) -> None:
        self.stage.node.mine(self.fee_wei)

    async def weather(self) -> None:
        self.fee_wei = self.dice.choice((GWEI, 40 * GWEI))

    async def reorg(self) -> None:
        depth = self.dice.randrange(1, 4)
        if len(self.stage.node.blocks) > depth:
            self.stage.node.reorg(depth, lose=self.dice.random() < 0.5)

    async def lose(self) -> None:
        pool = self.stage.node.pool
        if pool:
            del pool[self.dice.choice(list(pool))]

    async def twin(self) -> None:
        """A process is forgotten, not ended; it may come back to life later."""
        if self.process is not None:
            self.twins.append(self.process)
            self.process = None

    async def again(self) -> None:
        """A record is written a second time."""
        for intents in self.stage.broker.intents.values():
            if intents and self.dice.random() < 0.5:
                intents.append(self.dice.choice(intents))

    async def silence(self) -> None:
        self.stage.node.silent = self.dice.random() < 0.3

    async def calm_down(self) -> None:
        self.stage.node.silent = False
        self.twins.clear()
        self.process = await self.stage.start()
        for _ in range(30):
            self.stage.now_s += 1
            await self.process.step()
            self.stage.node.mine(GWEI)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_every_intent_has_one_end_and_at_most_one_effect(seed):
    story = Story(seed)
    await story.run()
    stage = story.stage
    for wanted in stage.asked:
        done, said = stage.times_done(wanted), set(stage.said(wanted))
        refused = {"IntentRefused", "Dropped"} & said
        assert done <= 1, wanted.digest
        assert (done == 1) == (not refused), (wanted.digest, done, said)
        if done:
            assert {"Simulated", "Signed", "Sent"} <= said
            signed = {r.transaction_hash for r in stage.reports(wanted) if isinstance(r, Signed | Sent)}
            assert signed & {h for block in stage.node.blocks for h, _ in block.transactions}
        if "IntentRefused" in said and "Dropped" not in said:  # a dropped one may be asked for again, in vain
            assert not {"Signed", "Sent"} & said
    assert stage.bound() == []
    check_nonces_and_caps(stage)


def check_nonces_and_caps(stage: Stage) -> None:
    mined = stage.node.effects()
    assert [tx.nonce for tx in mined] == list(range(5, 5 + len(mined)))
    caps = {wanted.call.data: wanted.max_fee_per_gas_wei for wanted in stage.asked}
    for tx in mined:
        assert tx.max_fee_wei <= caps.get(tx.data, LIMITS.cancel_max_fee_per_gas_wei)


def test_the_stories_have_deaths_bumps_cancellations_and_losses_in_them():
    async def tell(seed):
        story = Story(seed)
        await story.run()
        return story

    stories = [asyncio.run(tell(seed)) for seed in range(20)]
    died = sum((story.died for story in stories), Counter())
    assert died["Crashed"] > 10
    assert died["FencedError"] > 3
    said = Counter(
        name for story in stories for wanted in story.stage.asked for name in set(story.stage.said(wanted))
    )
    assert min(said[name] for name in ("Simulated", "Signed", "Sent", "IntentRefused", "Dropped")) > 1
    reasons = {
        r.reason
        for story in stories
        for w in story.stage.asked
        for r in story.stage.reports(w)
        if isinstance(r, IntentRefused)
    }
    assert {"already_open", "orphaned", "expired", "predecessor"} <= reasons
    assert any(tx.data == "0x" for story in stories for tx in story.stage.node.effects())


# ------------------------------------------------------------------ one at a time
@pytest.mark.parametrize("point", POINTS)
async def test_dying_at_a_point_leaves_what_the_next_process_needs(stage, point):
    def die(at):
        if at == point:
            raise Crashed(at)

    dying = await stage.start(reach=die)
    wanted = stage.ask()
    with pytest.raises(Crashed):
        await dying.step()
    before = [bound.attempts[0].raw for bound in stage.bound()]
    assert bool(before) == (point in POINTS[2:])
    assert len(stage.node.pool) == (point in POINTS[3:])
    await (await stage.start()).step()
    assert [bound.attempts[0].raw for bound in stage.bound()] == (
        before or [stage.bound()[0].attempts[0].raw]
    )
    stage.node.mine()
    assert stage.times_done(wanted) == 1


@pytest.mark.parametrize("at", [(0, "begin"), (0, "before commit"), (0, "committed, not acknowledged")])
async def test_nothing_is_sent_that_is_not_known_to_be_journalled(stage, at):
    process = await stage.start(crash_at=at)
    stage.ask()
    with pytest.raises(Crashed):
        await process.step()
    assert stage.node.pool == {}
    assert len(stage.bound()) == (at[1] == "committed, not acknowledged")


async def test_a_silent_node_gets_the_same_bytes_until_it_speaks(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    (sent,) = stage.node.pool.values()
    stage.node.silent = True
    with pytest.raises(NodeError):
        await process.step()
    stage.node.silent = False
    stage.node.pool.clear()
    stage.node.mine()
    await process.step()
    assert list(stage.node.pool.values()) == [sent]
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]


async def test_bytes_that_were_taken_in_silence_are_told_once_they_are_mined(stage):
    process = await stage.start()
    wanted = stage.ask()
    send = stage.node.send

    async def take_and_say_nothing(raw):
        await send(raw)
        return await mute.send(raw)

    mute = FakeSenderNode(silent=True)
    stage.node.send = take_and_say_nothing
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed"]
    stage.node.mine()
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]


async def test_what_a_new_head_changes_shares_the_commit_of_the_intent_that_is_signed_on_it(
    stage, monkeypatch
):
    process = await stage.start()
    stage.ask()
    await process.step()
    stage.node.mine()
    wanted = stage.ask()
    done = []
    commit, send = FakeJournal.commit, stage.node.send

    async def committing(journal, records, others=()):
        done.append("commit")
        await commit(journal, records, others)

    async def sending(raw):
        done.append("send")
        return await send(raw)

    monkeypatch.setattr(FakeJournal, "commit", committing)
    stage.node.send = sending
    await process.step()
    assert done[:2] == ["commit", "send"]
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]
    (first, _) = stage.bound()
    assert status(first) == "mined", "the inclusion is journalled too"


async def test_what_is_followed_is_told_though_the_node_fails_at_what_comes_next(stage):
    process = await stage.start()
    wanted = stage.ask()
    send, simulate = stage.node.send, stage.node.simulate

    async def take_and_say_nothing(raw):
        await send(raw)
        return await FakeSenderNode(silent=True).send(raw)

    async def fail(*_):
        raise NodeError("busy")

    stage.node.send = take_and_say_nothing
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed"]
    stage.node.mine()
    stage.ask()
    stage.node.simulate = fail
    with pytest.raises(NodeError, match="busy"):
        await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]
    stage.node.send, stage.node.simulate = send, simulate
    await process.step()
    assert [status(bound) for bound in stage.bound()] == ["mined", "sent"]


async def test_a_foreign_transaction_halts_after_two_looks_and_sends_nothing(stage):
    process = await stage.start()
    stage.node.pool[5] = ("0x" + "ff" * 32, foreign(5))
    stage.node.mine()
    stage.ask()
    assert await process.step()
    with pytest.raises(ForeignNonceError, match="used nonce 5"):
        await process.step()
    assert stage.node.pool == {}
    assert stage.bound() == []

    adopting = await stage.start(adopt_nonce=True)
    await adopting.step()
    assert stage.node.pool == {}, "what the unknown transaction did may have been this very intent"
    stage.ask()
    await adopting.step()
    assert list(stage.node.pool) == [6]


def foreign(nonce: int) -> Unsigned:
    return Unsigned(
        chain_id=FAKE_CHAIN,
        nonce=nonce,
        to=STRANGER,
        data="0x",
        value_wei=1,
        gas_limit=21_000,
        max_fee_wei=100 * GWEI,
        tip_wei=GWEI,
    )


async def test_a_twin_that_was_followed_knows_itself_fenced_not_robbed(stage):
    twin = await stage.start()
    process = await stage.start()
    stage.ask()
    await process.step()
    stage.node.mine()
    await twin.step()
    with pytest.raises(FencedError):
        await twin.step()


async def test_a_lagging_look_is_not_taken_for_a_foreign_hand(stage):
    process = await stage.start()
    stage.node.pool[5] = ("0x" + "ff" * 32, foreign(5))
    stage.node.mine()
    assert await process.step()
    stage.node.reorg(1, lose=True)
    stage.ask()
    assert not await process.step()
    assert list(stage.node.pool) == [5]


async def test_an_eaten_nonce_is_dropped_when_an_operator_adopts_the_chains(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    stage.node.pool[5] = ("0x" + "ff" * 32, foreign(5))
    stage.node.mine()
    await process.step()
    with pytest.raises(ForeignNonceError):
        await process.step()
    await stage.start(adopt_nonce=True)
    (dropped,) = (report for report in stage.reports(wanted) if isinstance(report, Dropped))
    assert (dropped.cause, dropped.detail) == (
        "replaced",
        "nonce 5 was used by a transaction that is not ours",
    )


async def test_a_chain_that_does_not_move_gets_nothing_signed(stage):
    process = await stage.start()
    await process.step()
    stage.now_s += TIMING.stalled_after_s + 1
    wanted = stage.ask()
    await process.step()
    assert stage.said(wanted) == []
    stage.node.mine()
    await process.step()
    assert "Sent" in stage.said(wanted)


async def test_an_intent_from_the_future_waits_and_is_then_orphaned(stage):
    process = await stage.start()
    await process.step()
    head = stage.node.blocks[-1].ref
    most = LIMITS.max_ahead_blocks
    far, ahead = (
        stage.ask(made_at=msgspec.structs.replace(head, number=head.number + blocks, hash="0x" + "ab" * 32))
        for blocks in (most + 1, most)
    )
    behind = stage.ask()
    assert await process.step()
    assert "is far above the head" in stage.reports(far)[0].detail
    assert stage.said(ahead) == stage.said(behind) == [], "the node may be a little behind"
    stage.now_s += TIMING.wait_s + 1
    assert not await process.step()
    (refused,) = stage.reports(ahead)
    assert (refused.reason, "is not known yet" in refused.detail) == ("orphaned", True)
    assert "Sent" in stage.said(behind)


async def test_what_follows_a_refused_intent_is_refused(stage):
    process = await stage.start()
    first = stage.ask(owner=STRANGER)
    second = stage.ask(after=first.digest)
    third = stage.ask(after=second.digest)
    await process.step()
    assert [stage.reports(each)[0].reason for each in (first, second, third)] == [
        "limits",
        "predecessor",
        "predecessor",
    ]


async def test_a_pause_stops_what_is_new_and_cancels_what_is_stuck(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    stage.broker.pauses.take(0, Paused(scope="book/b1", reason="test", by="test"))
    refused = stage.ask()
    await process.step()
    assert stage.reports(refused)[0].reason == "paused"
    for _ in range(3):
        stage.node.mine(50 * GWEI)
        await process.step()
    assert stage.bound()[0].attempts[-1].cancels
    cancellations = [r for r in stage.reports(wanted) if type(r).__name__ == "CancellationSigned"]
    assert cancellations[-1].transaction_hash == stage.bound()[0].attempts[-1].transaction_hash
    stage.broker.pauses.take(0, Resumed(scope="book/b1", reason="test", by="test"))
    for _ in range(6):
        stage.node.mine(GWEI)
        await process.step()
    assert stage.said(wanted)[-1] == "Dropped"
    assert stage.times_done(wanted) == 0
    follower = stage.ask(after=wanted.digest)
    await process.step()
    assert stage.reports(follower)[0].reason == "predecessor"


async def test_cancellations_that_the_journal_does_not_know_end_their_intents(stage):
    """Signed by `--cancel-all` while a signer runs: known for what they are, and nothing halts."""
    process = await stage.start()
    first, second = stage.ask(), stage.ask()
    await process.step()
    lines = []
    cancelling = CancelAll(
        [stage.node],
        FakeSigner(SIGNER),
        chain_id=FAKE_CHAIN,
        rules=LIMITS.fees,
        min_tip_wei=LIMITS.min_tip_wei,
        say=lambda line: lines.append(line) or (len(lines) == 2 and stage.node.mine(GWEI)),
        look_again_s=0,
    )
    assert await cancelling.run(up_to_nonce=None, within_s=20) == 2
    for _ in range(8):
        await process.step()
        stage.node.mine(GWEI)
    assert [stage.said(each)[-1] for each in (first, second)] == ["Dropped", "Dropped"]
    assert [stage.times_done(each) for each in (first, second)] == [0, 0]
    third = stage.ask()
    await process.step()
    stage.node.mine(GWEI)
    assert stage.times_done(third) == 1


async def test_a_record_of_an_open_intents_name_closes_nothing(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    forged = msgspec.structs.replace(wanted, owner=STRANGER)
    broken = msgspec.structs.replace(wanted, max_age_blocks=-1)
    stage.broker.put(0, wanted, forged, broken)
    await process.step()
    assert stage.said(wanted) == ["Simulated", "Signed", "Sent"]
    assert len(stage.broker.letters) == 1  # the broken one; the others are but the same name again
    assert status(stage.bound()[0]) == "sent"


async def test_what_is_long_past_is_forgotten(stage):
    process = await stage.start()
    refused, wanted = stage.ask(owner=STRANGER), stage.ask()
    await process.step()
    for _ in range(LIMITS.max_age_blocks + 2 * LIMITS.final_depth_blocks + 2):
        stage.node.mine()
        await process.step()
    left = sorted(key.split("/")[0] for key in stage.broker.entries())
    assert left == ["cursor", "cursor", "opened", "seal", "signer"]
    stage.broker.put(0, refused, wanted)
    await process.step()
    assert [stage.reports(each)[-1].reason for each in (refused, wanted)] == ["limits", "expired"]
    assert stage.times_done(wanted) == 1
