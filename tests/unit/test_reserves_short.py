"""A book whose wallet has less than its reserves, as after an emergency: a re-range fills them, comes as near as they allow, and names the reserve."""

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER
from desk import Desk, live

from pipeline.advance.books import stock_of
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, StepRefused
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, Rerange
from pipeline.units import LogBps, RawAmount, Seconds

ETHER = 10**18
BLOCKS = 30
"""Seven cooldowns."""


def emptied(reserve_base: int, reserve_quote: int, *, push: bool) -> Desk:
    """A book of whose wallet nothing is left, and out of whose range the price is pushed; some blocks later."""
    action = Rerange(
        half_width_log_bps=LogBps(100),
        stall_after_s=Seconds(60),
        reserve_base=RawAmount(reserve_base),
        reserve_quote=RawAmount(reserve_quote),
    )
    desk = Desk(live(action=action))
    chain = desk.watcher.chain
    chain.mine(0)
    for token in (BASE, QUOTE):
        chain.move(token, OWNER, STRANGER, chain.balances[OWNER, token])
    desk.watcher.tell()
    desk.take()
    assert not desk.said(PlanOpened)
    for number in range(BLOCKS):
        desk.block(push=push if number == 0 else None)
    return desk


def share_bps(desk: Desk) -> int:
    return stock_of(desk.shard, desk.shard.tables.need("policy/alpha", Policy)).base_share_bps


@pytest.mark.parametrize("push", [True, False])
def test_reserves_that_the_target_leaves_room_for_are_filled_and_the_share_comes_back(push: bool):
    desk = emptied(ETHER, ETHER, push=push)
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert not desk.said(StepRefused)
    assert abs(share_bps(desk) - 5_000) <= 500
    assert all(desk.watcher.chain.balances[OWNER, token] >= ETHER for token in (BASE, QUOTE))


@pytest.mark.parametrize(
    ("reserves", "push", "name", "side"),
    [((4 * ETHER, 0), True, "reserve_base", 1), ((0, 4 * ETHER), False, "reserve_quote", -1)],
)
def test_a_reserve_larger_than_the_target_leaves_is_kept_and_named(
    reserves, push: bool, name: str, side: int
):
    """It was refused at each proposal: the book stayed outside its range with everything."""
    desk = emptied(*reserves, push=push)
    (opened,) = desk.said(PlanOpened)
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()], "once, and not at each cooldown"
    assert "reserves among it" in opened.cut_short
    before, after = abs(opened.share_before_bps - 5_000), side * (share_bps(desk) - 5_000)
    assert 600 < after < before - 500
    assert desk.watcher.chain.balances[OWNER, BASE if side > 0 else QUOTE] >= 4 * ETHER
    details = {each.detail for each in desk.said(StepRefused)}
    assert {each.reason for each in desk.said(StepRefused)} == {"no_improvement"}
    assert any(f": {name} is " in each and "the target leaves 5000 for it" in each for each in details)


def test_a_reserve_that_keeps_the_share_is_no_reason_to_follow_the_price():
    """Idle again and no further off than before, the book would be brought back into range for nothing but gas."""
    desk = emptied(4 * ETHER, 0, push=True)
    assert len(desk.said(PlanOpened)) == 1
    for number in range(BLOCKS):
        desk.block(push=False if number == 0 else None)
    assert desk.said(Declined)[-1].reason in {"cooling_down", "held_off"}
    assert len(desk.said(PlanOpened)) == 1
    assert desk.said(StepRefused)[-1].reason == "no_improvement"


def test_where_reserves_keep_everything_the_refusal_says_so():
    desk = emptied(100 * ETHER, 100 * ETHER, push=True)
    assert not desk.said(PlanOpened)
    assert {(each.reason, each.detail) for each in desk.said(StepRefused)} == {
        ("no_improvement", "nothing would be minted: reserve_base and reserve_quote keep it in the wallet")
    }
