"""Where the market allows a book only part of the way, it goes there in steps."""

from itertools import pairwise

import pytest
from builders import ROOMY_SIGNER
from desk import live
from lifecycle import Lifecycle, deviation
from msgspec.structs import replace
from toy_signer import whale

from pipeline.messages.decisions import PlanOpened, PlanRevised, StepRefused
from pipeline.messages.events import IntentRefused
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import LargeSwaps, Limits, Rerange, TargetBand

BAND = TargetBand(band_bps=600, hysteresis_bps=100, hold_out_of_range_s=60, cooldown_s=48)
INNER = BAND.band_bps - BAND.hysteresis_bps
LIMITS = Limits(
    twap_window_s=24,
    max_spot_from_twap_log_bps=3_000,
    max_cost_bps=500,
    max_daily_cost_bps=10_000,
    max_daily_gas_bps=10_000,
    max_actions_per_day=1_000,
    signer=ROOMY_SIGNER,
)


def drifted(
    slippage_bps: int,
    *,
    blocks: int = 60,
    hysteresis_bps: int = 100,
    half: int = 150,
    large_swaps: LargeSwaps = "private",
    **limits: int,
) -> Lifecycle:
    """A book that is large for its pool, whose price has gone and stays where it is."""
    book = live(
        strategy=replace(BAND, hysteresis_bps=hysteresis_bps),
        limits=replace(LIMITS, max_slippage_bps=slippage_bps, **limits),
        action=Rerange(half_width_log_bps=half, stall_after_s=120, large_swaps=large_swaps),
    )
    life = Lifecycle(book, depth=5 * 10**20)
    life.block(lambda chain: whale(chain, down=True, amount=4 * 10**18))
    for _ in range(blocks):
        life.block()
    return life


def swapped(life: Lifecycle) -> list[tuple[int, int]]:
    return [(alone, after) for alone, after, steps in life.acted if "swap" in steps]


@pytest.mark.parametrize(("slippage_bps", "steps"), [(10, 7), (20, 3)])
def test_a_book_comes_to_its_target_in_steps(slippage_bps: int, steps: int) -> None:
    life = drifted(slippage_bps)
    moved = swapped(life)
    assert len(moved) == len(life.said(PlanOpened)) == steps
    assert all(before - after >= BAND.hysteresis_bps - 5 for before, after in moved), moved
    assert all(after == pytest.approx(then, abs=5) for (_, after), (then, _) in pairwise(moved)), (
        "nothing goes back"
    )
    assert deviation(life.chain, life.book) <= INNER
    life.assert_whole()
    assert set(life.outcomes()) == {Done()}


def test_a_step_says_what_stands_in_its_way() -> None:
    first, *_, last = drifted(20).said(PlanOpened)
    assert "the price limit" in first.cut_short
    assert not last.cut_short


def test_dust_is_not_moved() -> None:
    """The window lets less of the share through than the hysteresis. The first step lets an idle book earn again."""
    life = drifted(10, hysteresis_bps=300)
    assert len(life.said(PlanOpened)) == 1
    assert life.said(StepRefused)[-1].reason == "swap_limited"
    assert "lets only" in life.said(StepRefused)[-1].detail


def test_a_step_may_cost_only_its_part_of_the_way() -> None:
    """The first one lets an idle book earn again; the next would bring the share a tenth of the way, for the whole gas."""
    steps = drifted(10, max_cost_bps=30, blocks=14)
    assert len(steps.said(PlanOpened)) == 1
    assert steps.said(StepRefused)[-1].reason == "cost"
    assert len(drifted(20, max_cost_bps=30).said(PlanOpened)) == 3, "a third of the way is worth it"


def test_a_plan_in_the_middle_takes_a_step_too() -> None:
    """The mean has gone on behind the withdrawal, and the window with it."""
    life = drifted(60, blocks=4)
    assert [each.step for each in life.queue] == ["withdraw"]
    life.block(lambda chain: whale(chain, down=True, amount=10**18))
    for each in life.queue:
        life.watcher.append(IntentRefused(intent=each.digest, reason="simulation", detail="a test"))
    life.queue.clear()
    life.take()
    before = deviation(life.chain, life.book)
    life.until_over()
    revised = [each for each in life.said(PlanRevised) if each.phase == "swap"]
    assert any("the price limit" in each.reason for each in revised), life.said(PlanRevised)
    assert deviation(life.chain, life.book) < before
    life.assert_whole()


# ------------------------------------------------------------------ large swaps
def test_no_public_swap_moves_the_price_by_more_than_twice_the_fee() -> None:
    """10 bps at a fee of 5: as many steps as within a window of 10 bps."""
    life = drifted(2_000, large_swaps="split")
    assert len(swapped(life)) > 3
    assert all("a sandwich of it pays" in each.cut_short for each in life.said(PlanOpened)[:-1])
    assert not any(each.is_private for each in life.commanded("swap"))
    assert deviation(life.chain, life.book) <= INNER
    life.assert_whole()


def test_a_large_swap_may_go_privately_and_whole() -> None:
    life = drifted(2_000, large_swaps="private", half=600)
    (swap,) = life.commanded("swap")
    assert swap.is_private
    assert not any(each.is_private for each in (*life.commanded("withdraw"), *life.commanded("mint")))
    assert deviation(life.chain, life.book) <= INNER


def test_a_large_swap_is_refused_with_the_size_that_is_safe() -> None:
    life = drifted(2_000, large_swaps="refuse", blocks=6)
    assert not life.said(PlanOpened)
    refused = life.said(StepRefused)[-1]
    assert refused.reason == "swap_limited"
    safe = int(refused.detail.split()[4])
    assert safe == pytest.approx(2 * 5 * 10**-4 * 5 * 10**20 / 2, rel=0.05), (
        "2 x fee x depth, which is half the liquidity at 1"
    )
