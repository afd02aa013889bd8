"""Every guard refuses a plan before it is opened, with its own reason, and no other guard does."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from builders import ROOMY_SIGNER, STRANGER, address
from desk import Desk, live
from msgspec.structs import replace

from pipeline.act.drafts import Draft
from pipeline.act.guards import AMOUNTS, BLOCK, GAS, OTHER_REASONS, REFERENCES, guards_with
from pipeline.act.question import Question
from pipeline.math.reversion import loss_to_reversion
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanStalled,
    RebalanceProposed,
    StepRefused,
)
from pipeline.messages.effects import BookEffects
from pipeline.messages.events import Paused
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Rerange, TargetBand
from pipeline.messages.prices import Asset
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import RawAmount, Seconds
from pipeline.venues.uniswap_v3.act import actions, drafts, market, outlook
from pipeline.venues.uniswap_v3.act.market import read_market
from pipeline.venues.uniswap_v3.calldata import read_calls


def limited(**changes: Any):
    book = live()
    return replace(book, limits=replace(book.limits, **changes))


def pushed(book) -> Desk:
    desk = Desk(book)
    desk.block(push=True)
    return desk


def far_below_the_highest() -> Desk:
    desk = Desk(limited(max_age_blocks=3))
    base = desk.watcher.fork("other")
    for _ in range(6):
        desk.block()
    desk.watcher.revert_to(base)
    desk.take()
    desk.block(push=True)
    return desk


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Desk:
    was = drafts.draft

    def tampered(*asked: Any) -> tuple[Draft, ...]:
        return tuple(replace(each, call=replace(each.call, to=STRANGER)) for each in was(*asked))

    monkeypatch.setattr(actions, "draft", tampered)
    return pushed(live())


def without_end(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(market, "deadline_of", lambda _, market: Seconds(market.now_s + 10**6))
    return pushed(live())


OPENINGS: dict[str, Callable[[pytest.MonkeyPatch], Desk]] = {
    "stale_block": lambda _: far_below_the_highest(),
    "spot_from_twap": lambda _: pushed(limited(max_spot_from_twap_log_bps=1)),
    "gas_price": lambda _: pushed(limited(max_fee_per_gas_wei=1)),
    "swap_limited": lambda _: pushed(limited(max_slippage_bps=1)),
    "depth": lambda _: pushed(limited(signer=replace(ROOMY_SIGNER, max_share_of_depth_bps=20))),
    "no_improvement": lambda _: pushed(live(action=Rerange(half_width_log_bps=100, reserve_base=10**30))),
    "notional": lambda _: pushed(limited(max_notional_quote=1)),
    "daily_notional": lambda _: pushed(limited(max_daily_notional_quote=1)),
    "daily_actions": lambda _: pushed(limited(max_actions_per_day=0)),
    "cost": lambda _: pushed(limited(max_cost_bps=0)),
    "daily_cost": lambda _: pushed(limited(max_daily_cost_bps=0)),
    "daily_gas": lambda _: pushed(limited(max_daily_gas_bps=0)),
    "not_allowed": elsewhere,
    "deadline": without_end,
}
VENUE = actions.UniswapV3Actions.guards
GUARDS, PARTS = guards_with(VENUE), (BLOCK, REFERENCES, GAS, AMOUNTS, VENUE.prices, VENUE.sizes, VENUE.calls)
ONLY_LATER = {"paused", "sequencer", "references", "mint_limited", "min_out", "price_limit"}
"""A pause, the sequencer and a reference are gates before any proposal; the others look at a swap or a mint, which no plan begins with."""


def test_every_guard_has_its_story():
    assert OPENINGS.keys() | ONLY_LATER == GUARDS.keys()
    assert not set(OTHER_REASONS) & GUARDS.keys()


@pytest.mark.parametrize("reason", OPENINGS)
def test_a_guard_refuses_before_anything_is_opened(reason, monkeypatch):
    desk = OPENINGS[reason](monkeypatch)
    assert desk.said(RebalanceProposed)
    assert [o.reason for o in desk.said(StepRefused)] == [reason]
    assert not desk.said(SubmitTransaction)
    assert not desk.said(PlanOpened)
    assert not desk.said(PlanStalled), "there is no middle of what was never opened"


@pytest.mark.parametrize("reason", OPENINGS)
def test_without_that_guard_it_is_not_refused_so(reason, monkeypatch):
    (part,) = [each for each in PARTS if reason in each]
    monkeypatch.setitem(part, reason, lambda _: None)
    desk = OPENINGS[reason](monkeypatch)
    assert desk.said(RebalanceProposed)
    assert reason not in [o.reason for o in desk.said(StepRefused)]


@pytest.mark.parametrize("window_s", [100_000])
def test_a_history_that_is_too_short_makes_no_plan(window_s):
    desk = pushed(limited(twap_window_s=window_s))
    assert [o.reason for o in desk.said(StepRefused)] == ["not_plannable"]
    assert not desk.said(PlanOpened)


def test_where_gas_has_no_price_no_plan_withdraws():
    """So no tokens of such a book are ever withdrawn and held back by the gas ceiling."""
    book = live()
    desk = pushed(replace(book, chain=replace(book.chain, wrapped_native=STRANGER)))
    assert [(o.phase, o.reason) for o in desk.said(StepRefused)] == [("withdraw", "cost")]
    assert "gas cannot be priced" in desk.said(StepRefused)[0].detail
    assert not desk.said(SubmitTransaction)


def test_a_pause_and_the_cooldown_come_before_any_proposal():
    desk = Desk(live())
    desk.watcher.append(Paused(scope="all", reason="stop", by="me"))
    desk.block(push=True)
    assert (desk.said(Declined)[-1].gate, desk.said(RebalanceProposed)) == ("pause", [])

    desk = pushed(limited(max_notional_quote=1))
    desk.block()
    desk.block()
    assert desk.said(Declined)[-1].reason == "cooling_down"
    assert len(desk.said(RebalanceProposed)) == 1
    for _ in range(4):
        desk.block()
    first, second = desk.said(RebalanceProposed)[:2]
    assert second.because_of.block.timestamp_s - first.because_of.block.timestamp_s >= 48


def test_what_a_day_may_move_counts_over_its_actions():
    """Two full actions would be more than the day's notional, one is not; two actions more than their number."""
    value = pushed(limited(max_notional_quote=1)).said(RebalanceProposed)[0].value_quote
    for changes, reason in (
        ({"max_daily_notional_quote": 3 * value // 2}, "daily_notional"),
        ({"max_actions_per_day": 1}, "daily_actions"),
    ):
        desk = Desk(limited(**changes))
        desk.block(push=True)
        for _ in range(8):
            desk.block()
        for _ in range(4):
            desk.block(push=False)
        assert len(desk.said(PlanOpened)) == 1
        assert {o.reason for o in desk.said(StepRefused)} == {reason}


def test_a_whole_plan_must_be_worth_its_cost_not_only_its_first_phase():
    """What the withdrawal alone costs would pass; the swap after it would strand the tokens."""
    refused = pushed(limited(max_cost_bps=32))
    (said,) = refused.said(StepRefused)
    assert said.reason == "cost"
    total, of_gas, most = (int(n) for n in re.findall(r"\d{9,}", said.detail))
    assert of_gas < most < total
    desk = pushed(limited(max_cost_bps=100))
    for _ in range(8):
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)] == [Done()]
    assert not desk.said(PlanStalled), "what was let begin goes on"


def test_all_the_gas_of_a_plan_counts_before_it_begins():
    """The withdrawal's own would pass by far."""
    desk = Desk(limited(max_fee_per_gas_wei=10**13))
    desk.watcher.base_fee_wei = 34 * 10**10
    desk.block(push=True)
    (said,) = desk.said(StepRefused)
    assert said.reason == "cost"
    _, of_gas, most = (int(n) for n in re.findall(r"\d{9,}", said.detail))
    assert of_gas > most > of_gas // 4


def test_the_swap_is_foreseen_in_the_pool_without_our_own_liquidity(monkeypatch):
    """Half of what is in range is the book's own: once it is withdrawn a swap moves the price twice as far."""
    seen = []
    was = outlook.foresee
    monkeypatch.setattr(outlook, "foresee", lambda *a, **k: seen.append(was(*a, **k)) or seen[-1])
    desk = Desk(live(), depth=10**21)
    desk.watcher.chain.mine(0)
    desk.watcher.chain.swap(22 * 10**17, down=False)
    desk.watcher.tell()
    desk.take()
    assert desk.said(PlanOpened)
    (foreseen,) = seen
    assert not foreseen.was_idle
    desk.block()
    (swap,) = (i for i in desk.pending if i.step == "swap")
    amount_in = read_calls(swap.call.data)[0].arguments[4]
    assert abs(amount_in / foreseen.swap.amount_in - 1) < 0.01


def test_an_asset_that_a_pool_of_another_venue_values_keeps_a_plan_from_beginning():
    """Its price may have been pushed, and nothing says from where."""
    desk = Desk(live())
    desk.block()
    elsewhere = Asset(token=address(8), price_path=(address(9),))
    question = Question(
        shard=desk.shard,
        policy=live(assets=(elsewhere,)),
        market=read_market(desk.shard, live(), desk.watcher.chain.head.timestamp_s, 10**9),
        effects=BookEffects(),
        drafts=(),
        notional_quote=RawAmount(0),
        value_quote=RawAmount(0),
        prices={},
        foreseen=None,
    )
    ask = VENUE.prices["spot_from_twap"]
    assert ask(replace(question, policy=live())) is None
    assert "no mean" in ask(question)


def idle_at_its_target() -> Desk:
    """All liquidity out of range, the share all but where it should be: any range makes it a little worse."""
    band = TargetBand(
        target_share_bps=6_300, band_bps=2_000, hysteresis_bps=100, hold_out_of_range_s=60, cooldown_s=48
    )
    desk = pushed(live(strategy=band))
    for _ in range(6):
        desk.block()
    return desk


def test_a_range_about_the_price_is_an_improvement_for_what_is_idle():
    desk = idle_at_its_target()
    (proposed,) = desk.said(RebalanceProposed)
    assert proposed.trigger == "out_of_range"
    assert abs(proposed.deviation_bps) < 10
    assert desk.said(PlanOpened)


@pytest.mark.parametrize(
    ("binding", "changes"),
    [("least_swapped", {"swap_tolerance_bps": 5_000, "max_slippage_bps": 700}), ("least_of_quote", {})],
)
def test_a_swap_whose_minimum_follows_one_price_alone_is_refused(binding, changes, monkeypatch):
    """The mean less slippage, and the quote less the tolerance: without either there is a `min_out`."""
    for is_patched in (False, True):
        with monkeypatch.context() as patch:
            if is_patched:
                patch.setattr(drafts, binding, lambda *_, **__: 1)
            desk = Desk(limited(**changes))
            desk.block(push=True)
            desk.block()
            swaps = [i for i in desk.pending if i.step == "swap"]
            assert [o.reason for o in desk.said(StepRefused)] == (["min_out"] if is_patched else [])
            assert bool(swaps) != is_patched


def test_what_is_not_idle_must_come_nearer_to_its_target(monkeypatch):
    was = outlook.foresee
    monkeypatch.setattr(outlook, "foresee", lambda *a, **k: replace(was(*a, **k), was_idle=False))
    desk = idle_at_its_target()
    assert not desk.said(PlanOpened)
    (said,) = desk.said(StepRefused)
    assert said.reason == "no_improvement"


def test_a_range_that_cannot_hold_the_share_is_not_minted_again_and_again():
    """One spacing wide, the range takes one share here and another there: too far off to end what began it."""
    band = TargetBand(band_bps=600, hysteresis_bps=500, hold_out_of_range_s=60, cooldown_s=48)
    desk = pushed(live(strategy=band, action=Rerange(half_width_log_bps=5)))
    for _ in range(12):
        desk.block()
    assert {o.reason for o in desk.said(StepRefused)} == {"no_improvement"}
    assert not desk.said(PlanOpened)


# ------------------------------------------------------------------ what arbitrage takes
def test_a_price_that_stays_within_the_fee_costs_nothing_more():
    one = 1 << 96
    assert loss_to_reversion(10**18, one, one, 3_000) == 0
    assert loss_to_reversion(10**18, one, one + one // 1_000, 3_000) == 0  # 20 bps of price, a fee of 30
    assert loss_to_reversion(10**18, one, one + one // 100, 500) > 0


def test_the_way_back_costs_half_of_gamma_times_the_square():
    """L = 2e18 at price 1: dollar gamma 1e18; the price 2 % away, 5 bps of it within the fee."""
    one = 1 << 96
    expected = 0.5 * 10**18 * (0.02 - 0.0005) ** 2
    for after in (one + one // 100, one - one // 100):
        assert abs(loss_to_reversion(2 * 10**18, one, after, 500) / expected - 1) < 1e-9
