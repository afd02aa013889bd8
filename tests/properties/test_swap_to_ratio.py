"""No other swap yields more liquidity: pools of any shape, with all amounts where they are few and many where not."""

import dataclasses

from depth import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ratio_oracle import Task
from v3_pools import begun, minted

from pipeline.math.amounts import range_amounts
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Liquidity, RawAmount, Tick
from pipeline.venues.uniswap_v3 import LivePool, SwapPlan

FEES = {1: 100, 10: 500, 60: 3000, 200: 10_000}
REACH = 14
"""How many spacings from the price anything stands."""


def magnitudes(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most).flatmap(lambda n: st.integers(10**n, 10 ** (n + 1)))


@st.composite
def places(draw: st.DrawFn, spacing: int) -> tuple[int, int]:
    lower, upper = draw(st.lists(st.integers(-REACH, REACH), min_size=2, max_size=2, unique=True).map(sorted))
    return lower * spacing, upper * spacing


@st.composite
def tasks(draw: st.DrawFn, *, depth: int, most: int, closed: bool) -> Task:
    """A pool with gaps, prices on ticks and protocol fees; closed: a limit keeps swaps near, or else depth does."""
    spacing = draw(st.sampled_from(list(FEES)))
    start = sqrt_price_at_tick(Tick(draw(st.integers(-REACH, REACH)) * spacing))
    inside = draw(st.sampled_from([-1, 0, 0, 1, start * spacing // 50_000, start // 10**9]))
    fees = draw(st.sampled_from([0, 4, 10]))
    live = begun(start + inside, fee_pips=FEES[spacing], tick_spacing=spacing, fee_protocol0=fees)
    if not closed:
        edge = 887_272 // spacing * spacing
        minted(live, -edge, edge, draw(magnitudes(depth)))
    for lower, upper in draw(st.lists(places(spacing), min_size=0, max_size=6)):
        minted(live, lower, upper, draw(magnitudes(depth)))
    holdings = st.one_of(st.just(0), magnitudes(most)).map(RawAmount)
    task = Task(live, (draw(holdings), draw(holdings)), draw(places(spacing)))
    if not closed:
        return task
    window_x96 = tuple(sqrt_price_at_tick(Tick(live.tick + off)) for off in draw(places(2 * spacing)))
    return dataclasses.replace(task, window_x96=window_x96)


def plan_of(task: Task) -> SwapPlan:
    before = vars_of(task.live)
    plan = task.plan()
    assert vars_of(task.live) == before
    return plan


def vars_of(live: LivePool) -> tuple[object, ...]:
    return live.pool(), dict(live.ticks), list(live.initialized)


@given(tasks(depth=9, most=1, closed=True))
@settings(deadline=None, max_examples=examples(50))
def test_the_best_of_all_amounts_where_there_are_few(task: Task) -> None:
    plan = plan_of(task)
    task.check_best(plan, range(task.amounts[0 if plan.zero_for_one else 1] + 1))
    other = task.amounts[1 if plan.zero_for_one else 0]
    for amount_in in range(1, other + 1):  # what is not in excess is not worth selling
        assert task.minted(amount_in, down=not plan.zero_for_one) <= plan.liquidity


@given(tasks(depth=24, most=24, closed=False), st.data())
@settings(deadline=None, max_examples=examples(25))
def test_the_best_around_and_far_off(task: Task, data: st.DataObject) -> None:
    plan = plan_of(task)
    assert not plan.limited
    at, most = plan.amount_in, task.amounts[0 if plan.zero_for_one else 1]
    near = (at + off for off in range(-40, 41))
    beyond = (at + sign * 2**power for power in range(6, 80) for sign in (-1, 1))
    any_of_them = data.draw(st.lists(st.integers(0, most), max_size=20))
    within = data.draw(st.lists(st.integers(at - 1000, at + 1000), max_size=20))
    task.check_best(plan, (*near, *beyond, *any_of_them, *within))


@given(tasks(depth=24, most=24, closed=True), st.data())
@settings(deadline=None, max_examples=examples(25))
def test_the_best_within_a_limit(task: Task, data: st.DataObject) -> None:
    plan = plan_of(task)
    before_x96, after_x96 = task.live.sqrt_price_x96, plan.sqrt_price_after_x96
    assert plan.limit_x96 == task.window_x96[0 if plan.zero_for_one else 1]
    if plan.amount_in:
        low_x96, high_x96 = sorted((before_x96, plan.limit_x96))
        assert low_x96 <= after_x96 <= high_x96
        assert plan.zero_for_one == (plan.limit_x96 < before_x96)
    near = (plan.amount_in + off for off in range(-40, 41))
    any_of_them = data.draw(st.lists(st.integers(0, max(task.amounts)), max_size=20))
    task.check_best(plan, (*near, *any_of_them))


@given(tasks(depth=20, most=17, closed=False))
@settings(deadline=None, max_examples=examples(40))
def test_of_one_token_less_is_left_than_a_unit_of_liquidity_costs(task: Task) -> None:
    """Up to 10^22 of liquidity: of 10^28 and more the manager's rounding of two prices' product takes whole units."""
    plan = plan_of(task)
    sold, bought = (0, 1) if plan.zero_for_one else (1, 0)
    held, left = (plan.amount0, plan.amount1), (plan.left_over0, plan.left_over1)
    assert held[bought] == task.amounts[bought] + plan.amount_out
    assert held[sold] == task.amounts[sold] - plan.amount_in
    assert all(0 <= part <= whole for part, whole in zip(left, held, strict=True))
    assume(plan.liquidity)
    dearer = range_amounts(
        plan.sqrt_price_after_x96, *map(Tick, task.ticks), Liquidity(plan.liquidity + 1), round_up=True
    )
    assert held[0] < dearer[0] or held[1] < dearer[1]
