"""Alerts about a hedged book's health: low, restored, and liquidated, which pauses the book."""

from typing import Any

from builders import BASE, OWNER, QUOTE, STRANGER
from worlds.lending.chain import LENDING, LendingDesk, hedge_only

from pipeline import keys
from pipeline.messages.account_alerts import AccountLiquidated, HealthLow, HealthRestored
from pipeline.messages.base import TokenAmount
from pipeline.messages.decisions import Declined, PlanOpened, Quarantined
from pipeline.messages.entries import HealthWarning, Pause
from pipeline.messages.events import Resumed
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount
from pipeline.venues.aave_v3.forms import aave_account
from streams.cli.sentences import sentence

UNIT = 10**18


def settle(desk: LendingDesk) -> None:
    for _ in range(20):
        desk.block()


def desk_at(policy: Policy) -> LendingDesk:
    """A desk whose book is on its target."""
    desk = LendingDesk(policy)
    settle(desk)
    return desk


def warned(desk: LendingDesk, name: str) -> HealthWarning | None:
    return desk.shard.tables.find(keys.warned(name), HealthWarning)  # type: ignore[arg-type]


# ------------------------------------------------------------------ a factor below the level
def test_low_health_is_told_once_and_that_it_is_back_once():
    policy = hedge_only({"warn_bps": 14_000})
    desk = desk_at(policy)
    assert desk.chain.health > 1.4
    assert not desk.said(HealthLow)
    desk.chain.price_percent = 110
    for _ in range(5):
        desk.block()
    assert 1.2 < desk.chain.health < 1.4
    (low,) = desk.said(HealthLow)
    assert (low.book, low.warn_bps, low.act_bps) == (policy.book, 14_000, 12_000)
    assert abs(low.health_bps - desk.chain.health * 10_000) < 100
    assert warned(desk, policy.book) is not None
    assert "below 1.4000" in sentence(low, policy)
    desk.chain.price_percent = 100
    for _ in range(5):
        desk.block()
    (back,) = desk.said(HealthRestored)
    assert back.health_bps is not None
    assert back.health_bps >= 14_100
    assert warned(desk, policy.book) is None
    desk.chain.price_percent = 110
    desk.block()
    assert len(desk.said(HealthLow)) == 2, "a second crossing is told again"


def test_a_factor_at_the_level_does_not_cross_it_with_every_block():
    desk = desk_at(hedge_only({"warn_bps": 14_000}))
    for percent in (110, *[103, 104] * 5):
        desk.chain.price_percent = percent
        desk.block()
    assert desk.chain.health < 1.41
    assert len(desk.said(HealthLow)) == 1
    assert not desk.said(HealthRestored)


def test_a_warning_goes_away_with_its_block_and_comes_again_on_another():
    policy = hedge_only({"warn_bps": 14_000})
    desk = desk_at(policy)
    branch = desk.watcher.fork("other")
    desk.chain.price_percent = 110
    desk.block()
    assert warned(desk, policy.book) is not None
    desk.watcher.revert_to(branch)
    desk.take()
    assert warned(desk, policy.book) is None
    desk.chain.price_percent = 100
    desk.block()
    assert warned(desk, policy.book) is None
    desk.chain.price_percent = 110
    desk.block()
    assert warned(desk, policy.book) is not None
    assert len(desk.said(HealthLow)) == 2


# ------------------------------------------------------------------ a liquidation
def liquidated(desk: LendingDesk) -> Any:
    """Have a stranger repay a tenth, with the log in the block."""
    chain = desk.chain
    repaid, seized, fee = chain.debt[BASE] // 10, chain.collateral[QUOTE] // 5, 10**9
    chain.in_next_block = lambda: chain.liquidate(repaid, seized, fee)
    desk.block()
    return repaid, seized


def test_a_liquidation_is_told_with_what_it_took_and_pauses_the_book_until_it_is_resumed():
    policy = hedge_only()
    desk = desk_at(policy)
    repaid, seized = liquidated(desk)
    (said,) = desk.said(AccountLiquidated)
    assert (said.book, said.item) == (policy.book, aave_account(LENDING, OWNER))
    assert said.liquidator == STRANGER
    assert said.repaid == TokenAmount(token=BASE, amount=RawAmount(repaid))
    assert said.seized == TokenAmount(token=QUOTE, amount=RawAmount(seized)), "the market's part with it"
    assert said.debt_left == (TokenAmount(token=BASE, amount=RawAmount(desk.chain.debt[BASE])),)
    assert said.collateral_left == (TokenAmount(token=QUOTE, amount=RawAmount(desk.chain.collateral[QUOTE])),)
    assert said.health_bps == int(desk.chain.health * 10_000)
    base, quote = desk.chain.price(BASE), desk.chain.price(QUOTE)
    assert said.bonus == seized - -(-repaid * base * 10**6 // (quote * 10**18))
    assert "evenkeel resume" in sentence(
        next(each for each in desk.said(Declined) if each.reason == "liquidated"), policy
    )
    assert f"liquidated by {STRANGER}" in sentence(said, policy)

    done, opened = len(desk.signer.done), len(desk.said(PlanOpened))
    settle(desk)
    assert (len(desk.signer.done), len(desk.said(PlanOpened))) == (done, opened), "it is paused"
    desk.watcher.append(Resumed(scope=keys.book(policy.book), reason="looked at", by="me"))
    desk.take()
    settle(desk)
    assert len(desk.said(PlanOpened)) > opened, "the net exposure goes back into its band"
    assert not desk.said(Quarantined)
    assert len(desk.said(AccountLiquidated)) == 1


def test_a_pause_for_a_liquidation_outlasts_its_block_and_leaves_an_operators_as_it_is():
    policy = hedge_only()
    desk = desk_at(policy)
    branch = desk.watcher.fork("other")
    liquidated(desk)
    key = keys.pause(keys.book(policy.book))
    pause = desk.shard.tables.need(key, Pause)
    assert pause.is_for_liquidation
    desk.watcher.revert_to(branch)
    desk.take()
    assert desk.shard.tables.need(key, Pause) == pause
    mine = Pause(reason="mine", by="me", cancels=True)
    desk.shard.tables.put(key, mine)
    liquidated(desk)
    assert desk.shard.tables.need(key, Pause) == mine


def test_a_book_that_is_only_watched_tells_a_liquidation_and_is_not_paused():
    policy = hedge_only()
    desk = desk_at(policy)
    desk.set_policy(hedge_only(mode="watch"))
    liquidated(desk)
    assert len(desk.said(AccountLiquidated)) == 1
    assert desk.shard.tables.find(keys.pause(keys.book(policy.book)), Pause) is None
