"""A plan that only waits makes way for one that secures a hedge with low health; a plan with sent transactions is completed first."""

import copy
from typing import Any

import pytest
from builders import BASE, QUOTE
from msgspec.structs import replace
from worlds.lending.chain import KEEPS, LendingDesk, hedge_only, hedged

from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.events import Dropped, Paused
from pipeline.messages.goals import kind_of
from pipeline.messages.outcomes import Done, Left
from pipeline.messages.policy import Policy, Rerange, TargetBand
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.units import Bps, LogBps, RawAmount, Seconds, ShardId

COOLDOWN_S = 600
LATE_S = 100_000
"""Nothing ends for having waited too long."""
MOST_BLOCKS = 40


def book(on_stall: Any = "wait") -> Policy:
    """A hedged book that goes back into range a minute after it has left it, and then not for ten minutes."""
    band = TargetBand(
        band_bps=Bps(600),
        hysteresis_bps=Bps(100),
        hold_out_of_range_s=Seconds(60),
        cooldown_s=Seconds(COOLDOWN_S),
    )
    action = Rerange(
        half_width_log_bps=LogBps(100),
        stall_after_s=Seconds(LATE_S),
        on_stall=on_stall,
        reserve_quote=RawAmount(8 * 10**18),
    )
    rests = {"cooldown_s": Seconds(10**6), "pace_s": Seconds(10**6)}
    return hedged(rests, strategy=band, action=action)


def settled(on_stall: Any = "wait") -> LendingDesk:
    desk = LendingDesk(book(on_stall), more_quote=20 * 10**18)
    for _ in range(70):
        desk.block()
    assert desk.chain.debt[BASE]
    desk.outputs.clear()
    return desk


def block_until(desk: LendingDesk, holds: Any) -> None:
    for _ in range(MOST_BLOCKS):
        if holds():
            return
        desk.block()
    raise AssertionError(f"{MOST_BLOCKS} blocks, and {plan_of(desk)}")


def plan_of(desk: LendingDesk) -> Plan:
    return desk.shard.tables.need("plan/alpha", Plan)


def jumps(desk: LendingDesk, percent: int = 130) -> None:
    """Let the lending market's oracle have a higher price of the base from the next block on."""
    desk.chain.price_percent = desk.chain.price_percent * percent // 100


def steps(desk: LendingDesk) -> list[str]:
    return [each.step for each in desk.signer.done]


def begins(desk: LendingDesk) -> None:
    """Let the price leave the book's range for good, and a re-range begin."""
    desk.block(push=True)
    block_until(desk, lambda: desk.said(PlanOpened))
    assert kind_of(plan_of(desk).goal) == "rerange"


def held(on_stall: Any = "wait") -> LendingDesk:
    """A re-range has withdrawn the liquidity, and its swap fails."""
    desk = settled(on_stall)
    desk.fails = {"swap"}
    begins(desk)
    block_until(desk, lambda: plan_of(desk).stalled_reason == "step_failed")
    assert not desk.liquid()
    return desk


def is_whole(desk: LendingDesk) -> None:
    assert desk.chain.health >= 1.42
    assert len(desk.liquid()) == 1
    assert not any(desk.chain.allowances.values())
    assert not desk.said(Quarantined)


# ------------------------------------------------------------------ it makes way
def test_a_plan_that_only_waits_makes_way_in_the_block_in_which_health_is_low():
    desk = settled()
    done, desk.fails = len(steps(desk)), {"swap"}
    begins(desk)
    block_until(desk, lambda: plan_of(desk).stalled_reason == "step_failed")
    waiting = plan_of(desk)
    jumps(desk)
    desk.block()
    (end,), new = desk.said(PlanClosed), desk.said(PlanOpened)[-1]
    assert end.plan == waiting.id
    assert end.outcome == Left(phase="swap", reason="health_low")
    assert end.cost is not None
    assert end.cost.transactions == len(steps(desk)) - done, "its withdrawal, and what was tried behind it"
    assert new.trigger == "health_low"
    assert end.because_of.block == new.because_of.block == desk.chain.head
    desk.block()
    assert desk.chain.health >= 1.42


def test_what_it_left_is_taken_back_and_what_it_was_for_is_begun_again_without_its_cooldown():
    desk = held()
    began_at_s = desk.said(PlanOpened)[0].because_of.block.timestamp_s
    assert any(desk.chain.allowances.values()), "the router may still take what the swap did not"
    jumps(desk)
    block_until(desk, lambda: len(desk.said(PlanOpened)) == 2)
    secures = plan_of(desk)
    assert secures.found_stranded is True
    desk.fails = set()
    block_until(desk, lambda: len(desk.said(PlanOpened)) == 3)
    again = desk.said(PlanOpened)[2]
    assert kind_of(again.goal) in {"rerange", "rerange_hedged"}
    assert again.because_of.block.timestamp_s < began_at_s + COOLDOWN_S
    block_until(desk, lambda: len(desk.said(PlanClosed)) == 3)
    assert [each.outcome for each in desk.said(PlanClosed)[1:]] == [Done(), Done()]
    is_whole(desk)
    assert steps(desk).count("repay") == 1


def test_the_days_limits_go_on_counting_what_was_mined_of_it():
    desk = held()
    before = desk.shard.tables.need("effects/alpha", BookEffects).actions
    jumps(desk)
    block_until(desk, lambda: len(desk.said(PlanOpened)) == 2)
    after = desk.shard.tables.need("effects/alpha", BookEffects).actions
    assert after[:-1] == before


# ------------------------------------------------------------------ what was sent is seen to its end
def signed_and_not_mined(desk: LendingDesk) -> list[SubmitTransaction]:
    """Let the signer sign what was commanded, and a block come without it."""
    waiting, desk.pending = desk.pending, []
    for intent in waiting:
        for report in desk.signer.reports(desk.chain, intent):
            desk.watcher.append(report)
    desk.chain.mine(0)
    desk.watcher.tell()
    desk.take()
    return waiting


def test_while_a_transaction_may_still_be_mined_nothing_takes_the_plans_place():
    desk = settled()
    withdrawn = steps(desk).count("withdraw")
    begins(desk)
    waiting = signed_and_not_mined(desk)
    jumps(desk)
    for _ in range(5):
        desk.block()
    assert desk.chain.health < 1.2
    assert len(desk.said(PlanOpened)) == 1
    assert not desk.pending
    desk.chain.mine(0)
    desk.watcher.tell(tuple(desk.signer.execute(desk.chain, each) for each in waiting))
    desk.take()
    assert [each.trigger for each in desk.said(PlanOpened)][1:] == ["health_low"], (
        "in the block that mines it"
    )
    block_until(desk, lambda: len(desk.said(PlanClosed)) == 3)
    is_whole(desk)
    assert steps(desk).count("withdraw") == withdrawn + 1


def test_one_that_secures_does_not_make_way_for_another():
    desk = held()
    desk.fails = {"swap", "repay"}
    jumps(desk)
    block_until(desk, lambda: len(desk.said(PlanOpened)) == 2)
    for _ in range(15):
        desk.block()
    assert desk.chain.health < 1.2
    assert len(desk.said(PlanOpened)) == 2
    desk.fails = set()
    block_until(desk, lambda: desk.chain.health >= 1.42)
    assert len(desk.said(PlanOpened)) == 2


def test_an_end_of_the_hedge_that_cannot_buy_makes_way_too():
    desk = LendingDesk(hedge_only())
    for _ in range(20):
        desk.block()
    desk.outputs.clear()
    desk.fails = {"buy"}
    ends = hedge_only({"ratio_bps": Bps(0)}, action=replace(KEEPS, stall_after_s=Seconds(LATE_S)))
    desk.set_policy(ends)
    block_until(desk, lambda: desk.said(PlanOpened) and plan_of(desk).stalled_reason == "step_failed")
    assert desk.said(PlanOpened)[0].trigger == "unwind"
    jumps(desk)
    desk.block()
    desk.block()
    (end,), secures = desk.said(PlanClosed), desk.said(PlanOpened)[-1]
    assert end.outcome == Left(phase="buy", reason="health_low")
    assert secures.trigger == "health_low"
    desk.fails = set()
    block_until(desk, lambda: not desk.chain.debt[BASE] and not desk.chain.collateral[QUOTE])
    assert not desk.said(Quarantined)


def test_an_operators_pause_holds_both():
    desk = held()
    desk.watcher.append(Paused(scope="book/alpha", reason="a test", by="a test"))
    jumps(desk)
    for _ in range(5):
        desk.block()
    assert desk.chain.health < 1.2
    assert not desk.said(PlanClosed)
    assert len(desk.said(PlanOpened)) == 1
    assert desk.said(Declined)[-1].reason == "paused"


# ------------------------------------------------------------------ what is refused leaves the plan as it was
def test_where_nothing_for_health_can_be_begun_the_plan_goes_on():
    desk = held()
    desk.chain.paused = {BASE, QUOTE}
    for token in (BASE, QUOTE):
        desk.chain.configure(token)
    jumps(desk)
    for _ in range(12):
        desk.block()
    assert desk.chain.health < 1.2
    refused = [each for each in desk.said(StepRefused) if each.plan != plan_of(desk).id]
    assert {each.reason for each in refused} == {"reserve_paused"}
    assert 2 <= len(refused) <= 3, "once a minute"
    assert not desk.said(PlanClosed)
    tried = steps(desk).count("swap")
    desk.fails = set()
    block_until(desk, lambda: desk.said(PlanClosed))
    assert desk.said(PlanClosed)[0].outcome == Done()
    assert steps(desk).count("swap") == tried + 1


# ------------------------------------------------------------------ restarts and reorgs
def test_a_restart_between_any_two_blocks_changes_nothing():
    whole = held()
    loaded = copy.deepcopy(whole)
    for desk in (whole, loaded):
        jumps(desk)
    for _ in range(8):
        whole.block()
        loaded.shard = Shard(ShardId(0), dict(loaded.shard.tables.entries()))
        loaded.block()
    assert steps(loaded) == steps(whole)
    assert [each.id for each in loaded.outputs] == [each.id for each in whole.outputs]
    assert Left(phase="swap", reason="health_low") in [each.outcome for each in loaded.said(PlanClosed)]


@pytest.mark.parametrize("gone", range(1, 7))
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_reorg_of_any_depth_leaves_one_debt_that_is_secured_and_one_range(gone: int, comes_back: bool):
    """What was signed is mined again in the order of its nonces, or never."""
    desk = settled()
    desk.fails = {"swap"}
    begins(desk)
    branches = []
    for n in range(6):
        branches.append((desk.watcher.fork(f"other {n}"), len(desk.signer.done)))
        if n == 3:
            jumps(desk)
        desk.block()
    assert len(desk.said(PlanOpened)) == 2
    price = desk.chain.price_percent
    branch, done = branches[-gone]
    orphaned = desk.signer.done[done:]
    desk.watcher.revert_to(branch)
    desk.chain.price_percent = price
    desk.refuse("orphaned")
    desk.take()
    desk.fails = set()
    desk.chain.mine(0)
    desk.watcher.tell(tuple(again(desk, each) for each in orphaned if comes_back))
    desk.take()
    for each in () if comes_back else orphaned:
        desk.watcher.append(Dropped(intent=each.digest, cause="cancelled", detail="a test"))
    desk.take()
    for _ in range(2 * MOST_BLOCKS):
        desk.block()
    is_whole(desk)


def again(desk: LendingDesk, intent: SubmitTransaction) -> Any:
    """Mine what another branch had; what cannot be run there reverts."""
    before = copy.deepcopy(desk.chain.__dict__)
    try:
        return desk.signer.execute(desk.chain, intent)
    except AssertionError:
        desk.chain.__dict__.update(before)
        return desk.signer.execute(desk.chain, intent, succeeds=False)
