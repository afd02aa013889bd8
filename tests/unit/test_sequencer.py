"""No book acts on prices while the sequencer is down or in its grace period; plans that secure a debt go on."""

import itertools

import pytest
from builders import BASE
from desk import Desk, live
from msgspec.structs import replace
from uptime import DOWN, FEED, GRACE_S, UP, answer, by_the_sequencer
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline.messages.decisions import Declined, PlanOpened, PlanStalled, RebalanceProposed, StepRefused
from pipeline.messages.policy import Policy, version_of
from pipeline.messages.sequencer import SequencerAnswer, SequencerFeed
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sequencer import judged_otherwise_s, sequencer_trouble
from pipeline.units import Seconds
from streams.cli.refusals import in_units
from streams.cli.sentences import sentence

NOW_S = 1_800_000_000


def judged(says: int, since_s: int, round_id: int = 7) -> str | None:
    feed = SequencerFeed(feed=FEED)
    told = SequencerAnswer(round_id=round_id, answer=says, started_at_s=Seconds(since_s))
    found = sequencer_trouble(feed, told, Seconds(NOW_S))
    return None if found is None else found.reason


@pytest.mark.parametrize(
    ("says", "since_s", "round_id", "reason"),
    [
        (UP, NOW_S - 3_601, 7, None),
        (UP, NOW_S - 3_600, 7, "sequencer_grace"),
        (UP, NOW_S, 7, "sequencer_grace"),
        (UP, 1, 1, None),
        (DOWN, NOW_S - 10**6, 7, "sequencer_down"),
        (DOWN, NOW_S, 7, "sequencer_down"),
        (UP, NOW_S + 1, 7, "sequencer_unknown"),
        (DOWN, NOW_S + 1, 7, "sequencer_unknown"),
        (UP, 0, 7, "sequencer_unknown"),
        (UP, NOW_S - 10**6, 0, "sequencer_unknown"),
        (2, NOW_S - 10**6, 7, "sequencer_unknown"),
        (-1, NOW_S - 10**6, 7, "sequencer_unknown"),
        (3_000 * 10**8, NOW_S - 10**6, 7, "sequencer_unknown"),
    ],
)
def test_an_answer_is_judged_by_the_blocks_time(says, since_s, round_id, reason):
    assert judged(says, since_s, round_id) == reason


def test_the_moment_at_which_an_answer_is_judged_otherwise_is_the_first_one():
    feed = SequencerFeed(feed=FEED, grace_s=Seconds(100))
    for says, since_s in itertools.product(
        (UP, DOWN), (NOW_S - 101, NOW_S - 100, NOW_S - 1, NOW_S, NOW_S + 7)
    ):
        told = SequencerAnswer(round_id=1, answer=says, started_at_s=Seconds(since_s))

        def reason(at_s: int, told: SequencerAnswer = told) -> str | None:
            found = sequencer_trouble(feed, told, Seconds(at_s))
            return found and found.reason

        others = (at_s for at_s in range(NOW_S + 1, NOW_S + 300) if reason(at_s) != reason(NOW_S))
        assert judged_otherwise_s(feed, told, Seconds(NOW_S)) == next(others, None)
    assert judged_otherwise_s(feed, None, Seconds(NOW_S)) is None


# ------------------------------------------------------------------ a book
def reasons(desk: Desk) -> list[tuple[str, str]]:
    return [(said.gate, said.reason) for said in desk.said(Declined)]


def desk_with(says: int | None, ago_s: int = 10**6, **changes) -> Desk:
    """A book whose feed says so from the first block on."""
    desk = Desk(by_the_sequencer(live(**changes)))
    if says is not None:
        answer(desk.watcher, says, ago_s)
    desk.block()
    return desk


@pytest.mark.parametrize(
    ("says", "ago_s", "reason"),
    [
        (None, 0, "sequencer_unknown"),
        (2, 10**6, "sequencer_unknown"),
        (UP, -600, "sequencer_unknown"),
        (DOWN, 10**6, "sequencer_down"),
        (UP, 12, "sequencer_grace"),
    ],
)
def test_a_book_outside_its_band_proposes_nothing(says, ago_s, reason):
    desk = desk_with(says, ago_s)
    for _ in range(3):
        desk.block(push=True)
    assert not desk.said(RebalanceProposed)
    assert reasons(desk)[-1] == ("sequencer", reason)
    assert desk.said(Declined)[-1].item == f"sequencer/{FEED}"
    assert not desk.said(SubmitTransaction)


def test_a_book_acts_in_the_first_block_after_the_grace_period_and_says_when_that_is():
    desk = desk_with(UP, ago_s=0)
    since_s = desk.watcher.feeds[FEED].started_at_s
    while not desk.said(RebalanceProposed):
        desk.block(push=True)
    acted_s = desk.said(RebalanceProposed)[0].because_of.block.timestamp_s
    assert acted_s - 12 <= since_s + GRACE_S < acted_s
    waits = next(said for said in desk.said(Declined) if said.reason == "sequencer_grace")
    assert waits.until_s == since_s + GRACE_S + 1
    assert "its prices do not count for another" in sentence(waits, None)
    assert desk.said(PlanOpened)


def test_what_the_feed_says_goes_away_with_its_block_and_what_a_block_does_not_tell_is_not_known():
    desk = desk_with(UP)
    base = desk.watcher.fork("other")
    answer(desk.watcher, DOWN)
    desk.block()
    assert reasons(desk)[-1] == ("sequencer", "sequencer_down")
    desk.watcher.revert_to(base)
    desk.take()
    assert desk.shard.tables.need(f"sequencer/{FEED}", SequencerAnswer).answer == UP
    desk.watcher.feeds.clear()
    desk.block()
    assert desk.shard.tables.find(f"sequencer/{FEED}", SequencerAnswer) is None
    assert reasons(desk)[-1] == ("sequencer", "sequencer_unknown")


def test_another_feeds_answer_and_a_chain_without_one_change_nothing():
    desk = Desk(live())
    answer(desk.watcher, DOWN)
    desk.block(push=True)
    assert desk.said(PlanOpened)
    assert desk.shard.tables.find(f"sequencer/{FEED}", SequencerAnswer) is None


def test_a_book_that_is_only_watched_says_so():
    desk = desk_with(DOWN, mode="watch")
    assert reasons(desk)[-1] == ("mode", "watch_only")


def test_a_plan_in_the_middle_waits_and_goes_on_after_the_grace_period():
    """Permissions are taken back all the same; nothing else of it goes out."""
    desk = desk_with(UP)
    desk.block(push=True)
    while desk.pending[-1].step != "withdraw":
        desk.block()
    answer(desk.watcher, DOWN)
    before = len(desk.said(SubmitTransaction))
    for _ in range(3):
        desk.block()
    assert len(desk.said(SubmitTransaction)) == before
    stalled = desk.said(PlanStalled)[-1]
    assert stalled.reason == "sequencer"
    assert in_units(stalled.detail, live()).startswith("the sequencer is down since 1")
    answer(desk.watcher, UP, ago_s=0)
    back_s = desk.watcher.feeds[FEED].started_at_s
    while len(desk.said(SubmitTransaction)) == before:
        desk.block()
    went_s = desk.said(SubmitTransaction)[before].made_at.timestamp_s
    assert went_s > back_s + GRACE_S


# ------------------------------------------------------------------ a hedge
def hedged_desk(**kept: int) -> LendingDesk:
    """A hedged book on its target, of whose wallet and ranges so many percent are left."""
    policy = by_the_sequencer(hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}))
    desk = LendingDesk(policy)
    answer(desk.watcher, UP)
    for _ in range(20):
        desk.block()
    assert desk.chain.debt[BASE]
    assert len(desk.said(PlanOpened)) == 1
    if kept:
        desk.keep(**kept)
    return desk


def steps_after(desk: LendingDesk, blocks: int) -> list[str]:
    done = len(desk.signer.done)
    for _ in range(blocks):
        desk.block()
    return [each.step for each in desk.signer.done[done:] if each.step not in {"approve", "reset"}]


@pytest.mark.parametrize(("says", "ago_s"), [(DOWN, 10**6), (UP, 12), (2, 10**6)])
@pytest.mark.parametrize(
    ("kept", "used"),
    [({}, ["repay"]), ({"base": 0}, ["supply"]), ({"base": 0, "quote": 0}, ["free", "repay"])],
)
def test_low_health_is_secured_by_what_needs_no_price_whatever_the_feed_says(says, ago_s, kept, used):
    desk = hedged_desk(**kept)
    answer(desk.watcher, says, ago_s)
    desk.chain.price_percent = 122
    assert steps_after(desk, 6)[: len(used)] == used
    assert desk.said(PlanOpened)[-1].trigger == "health_low"


def test_collateral_is_not_traded_for_debt_while_the_sequencer_is_down_and_is_once_it_is_back():
    desk = hedged_desk(base=0, quote=0, ranges=0)
    answer(desk.watcher, DOWN)
    desk.chain.price_percent = 121
    desk.block()
    refused = len(desk.said(StepRefused))
    assert steps_after(desk, 12) == []
    assert {said.reason for said in desk.said(StepRefused)[refused:]} == {"sequencer"}
    assert desk.chain.health < 1.2
    answer(desk.watcher, UP, ago_s=0)
    assert steps_after(desk, 9)[:3] == ["withdraw", "buy", "repay"], "within the grace period"


def test_where_health_is_well_a_hedge_waits_with_everything_else():
    desk = hedged_desk()
    answer(desk.watcher, UP, ago_s=0)
    book = desk.shard.tables.need("policy/alpha", Policy)
    assert book.hedge
    ending = replace(
        book, hedge=replace(book.hedge, unwound=True, pace_s=Seconds(12), cooldown_s=Seconds(12))
    )
    desk.set_policy(replace(ending, policy_version=version_of(ending)))
    assert steps_after(desk, 6) == []
    assert reasons(desk)[-1] == ("sequencer", "sequencer_grace")
    answer(desk.watcher, UP)
    assert "repay" in steps_after(desk, 12)


def test_a_step_that_the_outage_meets_in_the_middle_makes_way_for_what_secures_the_debt():
    policy = by_the_sequencer(hedge_only({"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}))
    desk = LendingDesk(policy)
    answer(desk.watcher, UP)
    while "borrow" not in [each.step for each in desk.pending]:
        desk.block()
    answer(desk.watcher, DOWN)
    desk.fails = {"sell"}
    sent = ["supply", "borrow", "sell"]
    assert steps_after(desk, 3) == sent, (
        "they were sent before, and the sale, which reverts, is not made again"
    )
    desk.fails = set()
    desk.chain.price_percent = 122
    assert steps_after(desk, 6)[:1] == ["repay"]
    assert desk.said(PlanOpened)[-1].trigger == "health_low"
