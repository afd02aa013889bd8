"""An outage of the sequencer, with its grace period, does not count towards a plan's stall."""

from typing import Any

import pytest
from builders import BASE
from desk import Desk, live
from uptime import DOWN, FEED, GRACE_S, UP, answer, by_the_sequencer
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline.messages.decisions import PlanClosed, PlanOpened
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.policy import Rerange, StallPolicy
from pipeline.messages.sequencer import SequencerAnswer, SequencerFeed
from pipeline.sequencer import wait_counts_from_s
from pipeline.units import LogBps, Seconds

NOW_S = 1_800_000_000
GRACE = SequencerFeed(feed=FEED, grace_s=Seconds(100))
STALL_AFTER_S = 60
"""Five blocks: less than the grace period, as by default."""


@pytest.mark.parametrize(
    ("says", "since_s", "began_s", "counts_from_s"),
    [
        (DOWN, NOW_S - 500, NOW_S - 900, NOW_S),
        (DOWN, NOW_S, NOW_S - 900, NOW_S),
        (UP, NOW_S - 50, NOW_S - 900, NOW_S),
        (UP, NOW_S - 100, NOW_S - 900, NOW_S),
        (UP, NOW_S - 101, NOW_S - 900, NOW_S),
        (UP, NOW_S - 300, NOW_S - 900, NOW_S - 199),
        (UP, NOW_S - 10**6, NOW_S - 900, NOW_S - 900),
        (UP, NOW_S - 300, NOW_S - 50, NOW_S - 50),
        (2, NOW_S - 300, NOW_S - 900, NOW_S - 900),
        (UP, NOW_S + 1, NOW_S - 900, NOW_S - 900),
    ],
)
def test_a_wait_counts_from_when_prices_count_again(says, since_s, began_s, counts_from_s):
    told = SequencerAnswer(round_id=7, answer=says, started_at_s=Seconds(since_s))
    assert wait_counts_from_s(GRACE, told, Seconds(began_s), Seconds(NOW_S)) == counts_from_s
    assert wait_counts_from_s(GRACE, None, Seconds(began_s), Seconds(NOW_S)) == began_s


def in_the_middle(before: str = "withdraw", on_stall: StallPolicy = "hold_and_alert") -> Desk:
    """A plan whose step was commanded in the last block."""
    action = Rerange(half_width_log_bps=LogBps(100), stall_after_s=Seconds(STALL_AFTER_S), on_stall=on_stall)
    desk = Desk(by_the_sequencer(live(action=action)))
    answer(desk.watcher, UP)
    desk.block()
    desk.block(push=True)
    while desk.pending[-1].step != before:
        desk.block()
    return desk


def outage(desk: Desk, blocks: int = 12) -> int:
    """The sequencer is down for some blocks, and back; when prices count again."""
    answer(desk.watcher, DOWN, ago_s=0)
    for _ in range(blocks):
        desk.block()
    answer(desk.watcher, UP, ago_s=0)
    back_s = desk.watcher.chain.head.timestamp_s
    while desk.watcher.chain.head.timestamp_s + 12 <= back_s + GRACE_S:
        desk.block()
    return back_s + GRACE_S + 1


@pytest.mark.parametrize("on_stall", ["hold_and_alert", "mint_as_is"])
@pytest.mark.parametrize("before", ["withdraw", "swap"])
def test_a_plan_goes_on_after_an_outage_that_is_longer_than_it_may_stall(before: str, on_stall: StallPolicy):
    desk = in_the_middle(before, on_stall)
    outage(desk)
    assert not desk.said(PlanClosed)
    for _ in range(12):
        desk.block()
    assert [each.outcome for each in desk.said(PlanClosed)][:1] == [Done()]
    assert len(desk.said(PlanOpened)) == 1
    plan = desk.said(PlanOpened)[0].plan
    done = [each.step for each in desk.signer.done if each.plan == plan]
    assert done.count("swap") == 1, "the swap was not given up"


def test_what_holds_a_plan_back_after_an_outage_has_the_whole_of_its_time():
    desk = in_the_middle()
    counts_from_s = outage(desk)
    desk.watcher.base_fee_wei = 10**12
    while not desk.said(PlanClosed):
        desk.block()
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="swap", reason="gas_price")
    ended_s = desk.watcher.chain.head.timestamp_s
    assert ended_s - 12 < counts_from_s + STALL_AFTER_S <= ended_s


def test_a_feed_that_tells_nothing_does_not_keep_a_plan_for_ever():
    desk = in_the_middle()
    answer(desk.watcher, 2)
    for _ in range(10):
        desk.block()
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="swap", reason="sequencer")


def test_a_permission_that_cannot_be_taken_back_stalls_in_an_outage_too():
    """It may go at any time, so its clock runs."""
    desk = in_the_middle("mint")
    desk.fails = {"reset"}
    answer(desk.watcher, DOWN, ago_s=0)
    for _ in range(14):
        desk.block()
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="reset", reason="step_failed")


@pytest.mark.parametrize("hedge", [{}, {"compensate_after_s": Seconds(STALL_AFTER_S)}])
def test_a_hedges_leg_is_taken_back_in_an_outage_and_its_plan_waits_without_that(hedge: dict[str, Any]):
    """A repayment needs no price and goes at any time: `compensate_after` counts on."""
    rests = {"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}
    desk = LendingDesk(by_the_sequencer(hedge_only(rests | hedge)))
    answer(desk.watcher, UP)
    while "borrow" not in [each.step for each in desk.pending]:
        desk.block()
    answer(desk.watcher, DOWN, ago_s=0)
    desk.fails = {"sell"}
    desk.block()
    desk.fails = set()
    for _ in range(13):
        desk.block()
    if hedge:
        assert desk.said(PlanClosed)[0].outcome == Stalled(phase="sell", reason="sequencer")
        assert not desk.chain.debt[BASE]
    else:
        assert not desk.said(PlanClosed)
        outage(desk, blocks=1)
        for _ in range(8):
            desk.block()
        assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
        assert len(desk.said(PlanOpened)) == 1
