"""Time in which the chain had no block, or in which the signer had passed the shard's blocks, does not count as time in which a plan stalls."""

from typing import Any

import pytest
from builders import BASE
from desk import Desk, live
from msgspec.structs import replace
from uptime import DOWN, UP, answer, by_the_sequencer
from worlds.lending.chain import LendingDesk, hedge_only

from pipeline.messages.decisions import PlanClosed, PlanOpened, PlanStalled
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.policy import Policy, Rerange, StallPolicy
from pipeline.units import LogBps, Seconds

OUTAGE_S, STALL_AFTER_S, COUNTS_S = 7_200, 300, 30
STORM_WEI = 10**12


def book(on_stall: StallPolicy = "hold_and_alert") -> Policy:
    return live(
        action=Rerange(
            half_width_log_bps=LogBps(100), stall_after_s=Seconds(STALL_AFTER_S), on_stall=on_stall
        )
    )


def in_the_middle(policy: Policy | None = None, before: str = "swap") -> Desk:
    """A plan whose step was commanded in the last block."""
    desk = Desk(policy or book())
    desk.block(push=True)
    while desk.pending[-1].step != before:
        desk.block()
    return desk


def held(desk: Desk, blocks: int = 3) -> int:
    """Let a price of gas hold the next phase back; when it began."""
    desk.watcher.base_fee_wei = STORM_WEI
    while not desk.said(PlanStalled):
        desk.block()
    since_s: int = desk.said(PlanStalled)[0].because_of.block.timestamp_s
    for _ in range(blocks):
        desk.block()
    return since_s


def now_s(desk: Desk) -> int:
    return desk.watcher.chain.head.timestamp_s


@pytest.mark.parametrize("on_stall", ["hold_and_alert", "mint_as_is"])
def test_a_plan_goes_on_after_an_outage_of_the_chain(on_stall: StallPolicy) -> None:
    desk = in_the_middle(book(on_stall), before="withdraw")
    held(desk)
    desk.watcher.chain.idle_s = OUTAGE_S
    desk.block()
    assert not desk.said(PlanClosed)
    desk.watcher.base_fee_wei = 10**9
    while not desk.said(PlanClosed):
        desk.block()
    assert [each.outcome for each in desk.said(PlanClosed)][:1] == [Done()]
    assert len(desk.said(PlanOpened)) == 1
    plan = desk.said(PlanOpened)[0].plan
    assert [each.step for each in desk.signer.done if each.plan == plan].count("swap") == 1


def test_it_has_the_rest_of_its_time_after_that_and_no_more() -> None:
    desk = in_the_middle(before="withdraw")
    since_s = held(desk)
    desk.watcher.chain.idle_s = OUTAGE_S
    while not desk.said(PlanClosed):
        desk.block()
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="swap", reason="gas_price")
    counted_s = now_s(desk) - since_s - (OUTAGE_S + 12 - COUNTS_S)
    assert STALL_AFTER_S <= counted_s < STALL_AFTER_S + 12


def test_a_chain_of_which_each_block_is_late_still_ends_it() -> None:
    desk = in_the_middle(before="withdraw")
    held(desk, blocks=0)
    blocks = 0
    while not desk.said(PlanClosed):
        desk.watcher.chain.idle_s = 3_600
        desk.block()
        blocks += 1
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="swap", reason="gas_price")
    assert blocks == STALL_AFTER_S // COUNTS_S


def test_nobody_is_told_that_no_answer_comes_while_no_block_could_have_brought_it() -> None:
    desk = in_the_middle()
    desk.pending = []
    desk.watcher.chain.idle_s = OUTAGE_S
    desk.block()
    assert not desk.said(PlanStalled)
    while not desk.said(PlanStalled):
        desk.block()
    assert desk.said(PlanStalled)[0].reason == "unanswered"


def test_a_reorg_of_the_first_block_leaves_the_plan_its_time() -> None:
    desk = in_the_middle(before="withdraw")
    held(desk)
    branch = desk.watcher.fork("other")
    for chain in (desk.watcher.chain, branch):
        chain.idle_s = OUTAGE_S
    desk.block()
    desk.watcher.revert_to(branch)
    desk.take()
    desk.block()
    assert not desk.said(PlanClosed)
    began_s = now_s(desk)
    while not desk.said(PlanClosed):
        desk.block()
    assert desk.said(PlanClosed)[0].outcome == Stalled(phase="swap", reason="gas_price")
    assert now_s(desk) <= began_s + STALL_AFTER_S + 12, "at worst it begins anew"


def test_the_blocks_before_an_uptime_feed_tells_of_an_outage_end_no_plan() -> None:
    """The sequencer was down, and its chain has no block of that time; its feed tells of it some blocks later."""
    desk = Desk(by_the_sequencer(book()))
    answer(desk.watcher, UP)
    desk.block()
    desk.block(push=True)
    while desk.pending[-1].step != "withdraw":
        desk.block()
    held(desk)
    desk.watcher.chain.idle_s = OUTAGE_S
    desk.block()
    desk.block()
    assert not desk.said(PlanClosed)
    answer(desk.watcher, DOWN, ago_s=OUTAGE_S)
    desk.block()
    assert not desk.said(PlanClosed)


def test_a_hedges_leg_is_not_taken_back_because_no_block_came() -> None:
    rests: dict[str, Any] = {"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}
    policy = hedge_only(rests | {"compensate_after_s": Seconds(STALL_AFTER_S)})
    desk = LendingDesk(replace(policy, mode="watch"))
    desk.set_policy(policy)
    while "borrow" not in [each.step for each in desk.pending]:
        desk.block()
    desk.fails = {"sell"}
    desk.block()
    desk.block()
    desk.chain.idle_s = OUTAGE_S
    desk.block()
    desk.block()
    desk.fails = set()
    for _ in range(10):
        desk.block()
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert desk.chain.debt[BASE]


@pytest.mark.parametrize("reason", ["expired", "simulation"])
def test_what_a_signer_refuses_as_expired_does_not_count_either(reason: str) -> None:
    """As after the node was away: the signer has long passed the blocks that the shard takes in."""
    desk = in_the_middle(before="withdraw")
    desk.block()
    for _ in range(2 * STALL_AFTER_S // 12):
        desk.refuse(reason)  # type: ignore[arg-type]
        desk.block()
    told = [each for each in desk.said(PlanStalled) if each.reason == "step_failed"]
    assert len(told) == 1
    if reason == "simulation":
        assert desk.said(PlanClosed)[0].outcome == Stalled(phase="swap", reason="step_failed")
        return
    assert not desk.said(PlanClosed)
    while not desk.said(PlanClosed):
        desk.block()
    assert [each.outcome for each in desk.said(PlanClosed)][:1] == [Done()]
