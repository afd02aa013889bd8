"""Withdrawn tokens miss fees: a phase that waits for a price, for gas or for another attempt goes on once that has cost as much."""

import pytest
from desk import Desk, live
from msgspec.structs import replace

from pipeline.messages.decisions import PlanClosed, PlanOpened, PlanRevised, PlanStalled
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Rerange
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.act import drafts
from pipeline.venues.uniswap_v3.act.actions import UniswapV3Actions

PATIENCE_S = 120
MUCH, NOTHING = RawAmount(10**18), RawAmount(0)


def desk_before(step: str, on_stall: str = "wait") -> Desk:
    """A desk whose next block commands a swap or a mint."""
    desk = Desk(live(action=Rerange(half_width_log_bps=100, stall_after_s=PATIENCE_S, on_stall=on_stall)))
    desk.block(push=True)
    while desk.pending[-1].step != {"swap": "withdraw", "mint": "swap"}[step]:
        desk.block()
    return desk


def tries(desk: Desk, step: str) -> int:
    return len([each for each in desk.said(SubmitTransaction) if each.step == step])


@pytest.mark.parametrize("step", ["swap", "mint"])
@pytest.mark.parametrize(("missed", "often"), [(NOTHING, False), (MUCH, True)])
def test_what_keeps_failing_is_tried_as_soon_as_waiting_has_cost_a_try(step, missed, often, monkeypatch):
    monkeypatch.setattr(UniswapV3Actions, "missed_fees", lambda *_: missed)
    desk = desk_before(step)
    desk.fails = {step}
    for _ in range(3 * PATIENCE_S // 12):
        desk.block()
    before = tries(desk, step)
    for _ in range(2 * PATIENCE_S // 12):
        desk.block()
    more = tries(desk, step) - before
    assert (more > 5) if often else (0 < more <= 3), more
    desk.fails = set()
    for _ in range(PATIENCE_S // 12 + 6):
        desk.block()
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]


@pytest.mark.parametrize("on_stall", ["wait", "hold_and_alert", "mint_as_is"])
@pytest.mark.parametrize(("missed", "goes_on"), [(NOTHING, False), (MUCH, True)])
def test_a_swap_that_waits_for_its_price_is_given_up_once_that_has_cost_a_plan(
    on_stall, missed, goes_on, monkeypatch
):
    """Before the policy's time is over: the tokens earn again in the range that fits them, and nothing is sold."""
    monkeypatch.setattr(UniswapV3Actions, "missed_fees", lambda *_: missed)
    desk = desk_before("swap", on_stall)
    was = drafts.size_swap
    monkeypatch.setattr(drafts, "size_swap", lambda *a: replace(was(*a), limited=True))
    for _ in range(7):
        desk.block()
    plan = desk.said(PlanOpened)[0].plan
    held = [o.reason for o in desk.said(PlanStalled) if o.plan == plan]
    assert held == ["swap_limited"]
    assert [each.outcome for each in desk.said(PlanClosed)] == ([Done()] if goes_on else [])
    assert tries(desk, "swap") == 0
    if goes_on:
        assert [each.phase for each in desk.said(PlanRevised)] == ["mint"]
        assert tries(desk, "mint")
