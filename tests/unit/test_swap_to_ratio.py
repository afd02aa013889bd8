"""The swap before a mint, case by case: which token, how much, what is left, and what limits it."""

import math

import pytest
from ratio_oracle import Task
from v3_pools import begun, minted

from pipeline.errors import ImpossibleFactError, OutOfRangeError
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96, sqrt_price_at_tick
from pipeline.units import RawAmount, Tick
from pipeline.venues.uniswap_v3 import LivePool, quote, swap_to_ratio, withdrawn

ETHER, DOLLAR = 10**18, 10**6
EDGE = 887_270


def dollar_pool(*, ether_first: bool) -> LivePool:
    """About 3,000 ether against dollars at 3,000, thicker about the price, and a tick every 0.1 % near it."""
    in_out = (3_000 * DOLLAR, ETHER) if ether_first else (ETHER, 3_000 * DOLLAR)
    live = begun(math.isqrt((in_out[0] << 192) // in_out[1]), fee_pips=500, tick_spacing=10)
    here = live.tick // 10 * 10
    depth = 11 * 10**16
    minted(live, -EDGE, EDGE, depth)
    minted(live, here - 420, here + 420, 5 * depth)
    for off in (-30, -20, -10, 10, 20, 30):
        minted(live, here + off, here + off + 10, depth // 7)
    return live


def around(live: LivePool, width: int) -> tuple[int, int]:
    here = live.tick // 10 * 10
    return here - width, here + width


def in_order(ether: int, dollars: int, *, ether_first: bool) -> tuple[int, int]:
    amounts = ether * ETHER, dollars * DOLLAR
    return amounts if ether_first else amounts[::-1]


@pytest.mark.parametrize("ether_first", [True, False])
@pytest.mark.parametrize(("ether", "dollars"), [(25, 0), (0, 75_000), (3, 70_000)])
def test_no_amount_within_a_thousand_units_is_better(ether: int, dollars: int, ether_first: bool) -> None:
    live = dollar_pool(ether_first=ether_first)
    task = Task(live, in_order(ether, dollars, ether_first=ether_first), around(live, 600))
    plan = task.plan()
    assert plan.zero_for_one == (ether_first == (ether > 5))
    task.check_best(plan, range(plan.amount_in - 1000, plan.amount_in + 1001))


@pytest.mark.parametrize("ether_first", [True, False])
@pytest.mark.parametrize(("ether", "dollars"), [(250, 0), (0, 750_000)])
def test_over_many_ticks(ether: int, dollars: int, ether_first: bool) -> None:
    live = dollar_pool(ether_first=ether_first)
    task = Task(live, in_order(ether, dollars, ether_first=ether_first), around(live, 600))
    plan = task.plan()
    low, high = sorted((live.sqrt_price_x96, plan.sqrt_price_after_x96))
    assert sum(low < sqrt_price_at_tick(tick) < high for tick in live.initialized) >= 3
    near = range(plan.amount_in - 1000, plan.amount_in + 1001)
    far = [plan.amount_in + sign * 10**power for power in range(20) for sign in (1, -1)]
    task.check_best(plan, (*near, *far))
    # a millionth of a dollar is the least that can be bought or sold: what is left is dust
    assert plan.left_over0 + plan.left_over1 < ETHER // 10**8


def test_the_closed_form_knows_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the guess is good a few dozen quotes are enough; blind bisection would take twice as many."""
    asked: list[int] = []

    def counted(*given, **named):
        asked.append(given[1])
        return quote(*given, **named)

    monkeypatch.setitem(swap_to_ratio.__globals__, "quote", counted)
    for ether_first in (True, False):
        for holdings in ((25, 0), (0, 75_000)):
            live = dollar_pool(ether_first=ether_first)
            asked.clear()
            swap_to_ratio(live, *in_order(*holdings, ether_first=ether_first), *around(live, 600))
            assert len(asked) < 60


# ------------------------------------------------------------------ nothing to swap
def test_what_already_fits_is_not_swapped() -> None:
    live = dollar_pool(ether_first=True)
    ticks = around(live, 600)
    first = swap_to_ratio(live, *in_order(25, 0, ether_first=True), *ticks)
    assert first.amount_in
    moved = begun(first.sqrt_price_after_x96, fee_pips=500, tick_spacing=10)
    minted(moved, -EDGE, EDGE, 10**18)
    held = RawAmount(first.amount0 - first.left_over0), RawAmount(first.amount1 - first.left_over1)
    again = swap_to_ratio(moved, *held, *ticks)
    assert (again.amount_in, again.amount_out, again.liquidity) == (0, 0, first.liquidity)
    assert (again.left_over0, again.left_over1, again.limited) == (0, 0, False)


def test_nothing_makes_nothing() -> None:
    live = dollar_pool(ether_first=True)
    plan = swap_to_ratio(live, RawAmount(0), RawAmount(0), *around(live, 600))
    assert (plan.amount_in, plan.liquidity, plan.left_over0, plan.left_over1) == (0, 0, 0, 0)


@pytest.mark.parametrize("above", [True, False])
def test_a_range_beside_the_price_takes_what_it_holds(above: bool) -> None:
    live = dollar_pool(ether_first=True)
    here = live.tick // 10 * 10
    ticks = (here + 1000, here + 1100) if above else (here - 1100, here - 1000)
    held = in_order(25, 0, ether_first=True) if above else in_order(0, 75_000, ether_first=True)
    plan = swap_to_ratio(live, *held, *ticks)
    assert plan.amount_in == 0
    assert plan.liquidity > 0
    assert (plan.amount0, plan.amount1) == held


@pytest.mark.parametrize("above", [True, False])
def test_a_range_beside_the_price_has_all_of_the_other_sold(above: bool) -> None:
    live = dollar_pool(ether_first=True)
    here = live.tick // 10 * 10
    ticks = (here + 1000, here + 1100) if above else (here - 1100, here - 1000)
    held = in_order(1, 75_000, ether_first=True) if above else in_order(25, 3_000, ether_first=True)
    task = Task(live, held, ticks)
    plan = task.plan()
    assert plan.zero_for_one is not above
    dust = ETHER // 10**8  # of what is sold, as far as it bought nothing more
    assert held[above] - plan.amount_in < dust
    task.check_best(plan, range(plan.amount_in - 1000, plan.amount_in + 1001))


@pytest.mark.parametrize("above", [True, False])
def test_a_swap_may_bring_the_price_into_the_range(above: bool) -> None:
    live = dollar_pool(ether_first=True)
    here = live.tick // 10 * 10
    ticks = (here + 30, here + 90) if above else (here - 90, here - 30)
    held = in_order(0, 900_000, ether_first=True) if above else in_order(300, 0, ether_first=True)
    task = Task(live, held, ticks)
    plan = task.plan()
    assert sqrt_price_at_tick(Tick(ticks[0])) < plan.sqrt_price_after_x96 < sqrt_price_at_tick(Tick(ticks[1]))
    task.check_best(plan, range(plan.amount_in - 1000, plan.amount_in + 1001, 9))
    assert min(plan.left_over0, plan.left_over1) < ETHER // 10**8


# ------------------------------------------------------------------ edges of the curve
@pytest.mark.parametrize("tick", [-60, 0, 60])
@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("down", [True, False])
def test_a_price_on_a_tick(tick: int, off: int, down: bool) -> None:
    """On an end of the range, and on a tick that the first unit crosses."""
    live = begun(sqrt_price_at_tick(Tick(tick)) + off)
    minted(live, -600, 600, 10**9)
    minted(live, -60, 60, 10**8)
    task = Task(live, (10**7, 0) if down else (0, 10**7), (-60, 60))
    plan = task.plan()
    task.check_best(plan, range(plan.amount_in - 1000, plan.amount_in + 1001))


@pytest.mark.parametrize("down", [True, False])
def test_across_a_gap_without_liquidity(down: bool) -> None:
    live = begun(sqrt_price_at_tick(Tick(0)))
    minted(live, -60, 60, 10**9)
    minted(live, -600, -300, 10**9)
    minted(live, 300, 600, 10**9)
    task = Task(live, (10**9, 0) if down else (0, 10**9), (-540, 540))
    plan = task.plan()
    reached = sqrt_price_at_tick(Tick(-300 if down else 300))
    assert (plan.sqrt_price_after_x96 < reached) if down else (plan.sqrt_price_after_x96 > reached)
    task.check_best(plan, range(plan.amount_in - 1000, plan.amount_in + 1001))


@pytest.mark.parametrize("down", [True, False])
def test_a_pool_without_anybody_else_is_moved_no_further_than_the_window(down: bool) -> None:
    live = begun(sqrt_price_at_tick(Tick(0)))
    window = sqrt_price_at_tick(Tick(-50)), sqrt_price_at_tick(Tick(50))
    held = (10**9, 10**3) if down else (10**3, 10**9)
    plan = swap_to_ratio(live, *held, -600, 600, window_x96=window)
    assert plan.limit_x96 == window[0 if down else 1]
    assert plan.sqrt_price_after_x96 == plan.limit_x96
    assert plan.limited
    assert (plan.amount_in, plan.amount_out) == (1, 0)  # one unit offered, none traded
    assert (plan.amount0, plan.amount1) == held


@pytest.mark.parametrize("ether_first", [True, False])
@pytest.mark.parametrize("holdings", [(250, 0), (0, 750_000)])
def test_the_window_stops_a_swap(holdings: tuple[int, int], ether_first: bool) -> None:
    live = dollar_pool(ether_first=ether_first)
    here = live.tick // 10 * 10
    window = sqrt_price_at_tick(Tick(here - 15)), sqrt_price_at_tick(Tick(here + 15))
    task = Task(live, in_order(*holdings, ether_first=ether_first), around(live, 600), window_x96=window)
    plan = task.plan()
    assert plan.limited
    assert not swap_to_ratio(live, *task.amounts, *task.ticks).limited
    assert plan.amount_in > 0
    task.check_best(plan, range(plan.amount_in - 1000, plan.amount_in + 1001, 9))


def test_a_price_beyond_the_window_is_left_where_it_is() -> None:
    live = dollar_pool(ether_first=True)
    beyond = sqrt_price_at_tick(Tick(live.tick + 100)), sqrt_price_at_tick(Tick(live.tick + 200))
    plan = swap_to_ratio(live, *in_order(25, 0, ether_first=True), *around(live, 600), window_x96=beyond)
    assert (plan.amount_in, plan.limited) == (0, True)
    assert plan.sqrt_price_after_x96 == live.sqrt_price_x96


def test_a_protocol_fee_changes_nothing() -> None:
    plain, taxed = (begun(2**96, fee_protocol0=fee, fee_protocol1=fee) for fee in (0, 4))
    for live in (plain, taxed):
        minted(live, -600, 600, 10**12)
    assert swap_to_ratio(plain, 10**9, 0, -300, 300) == swap_to_ratio(taxed, 10**9, 0, -300, 300)


def test_a_dearer_pool_is_sold_less_into() -> None:
    sold = []
    for fee_pips in (100, 500, 3000, 10_000):
        live = begun(2**96, fee_pips=fee_pips)
        minted(live, -600, 600, 10**12)
        sold.append(swap_to_ratio(live, 10**9, 0, -300, 300).amount_out)
    assert sold == sorted(sold, reverse=True)
    assert len(set(sold)) == 4


def test_where_the_manager_could_not_write_the_liquidity_down() -> None:
    """One unit above its lower end a range would take more of what is plenty than a uint128 of liquidity."""
    live = begun(sqrt_price_at_tick(Tick(60)) + 1)
    minted(live, -600, 600, 1)
    plan = swap_to_ratio(live, 10**10, 10**10, 60, 120)
    assert plan.liquidity == liquidity_for_amounts(
        plan.sqrt_price_after_x96, Tick(60), Tick(120), plan.amount0, plan.amount1
    )
    assert plan.liquidity > 0


@pytest.mark.parametrize(
    "bad",
    [
        {"amount0": -1},
        {"amount1": -1},
        {"tick_lower": 60},
        {"tick_upper": 887_273},
        {"window_x96": (MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96)},
    ],
)
def test_what_cannot_be_is_refused(bad: dict[str, object]) -> None:
    live = begun(2**96)
    minted(live, -60, 60, 10**9)
    good = {"amount0": 10**9, "amount1": 0, "tick_lower": -60, "tick_upper": 60}
    assert swap_to_ratio(live, **good).amount_in
    with pytest.raises(OutOfRangeError):
        swap_to_ratio(live, **good | bad)


# ------------------------------------------------------------------ without our own
def test_a_pool_without_our_own_liquidity() -> None:
    theirs, both = (begun(2**96) for _ in range(2))
    for live in (theirs, both):
        minted(live, -600, 600, 10**12)
        minted(live, -60, 120, 10**11)
    for ours in ((-60, 60, 10**12), (60, 180, 10**13), (-600, 600, 5)):
        minted(both, *ours)
    minted(both, 0, 60, 10**12)  # from the price's own tick
    left = withdrawn(
        both, [(0, 60, 10**12), (-60, 60, 10**12), (60, 180, 10**13), (-600, 600, 2), (-600, 600, 3)]
    )
    assert (left.liquidity, left.initialized) == (theirs.liquidity, theirs.initialized)
    assert (left.stop_below_x96, left.stop_above_x96) == (theirs.stop_below_x96, theirs.stop_above_x96)
    nets = [{tick: info.liquidity_net for tick, info in live.ticks.items()} for live in (left, theirs)]
    assert nets[0] == nets[1]
    assert swap_to_ratio(left, 10**9, 0, -300, 300) == swap_to_ratio(theirs, 10**9, 0, -300, 300)
    assert len(both.initialized) > len(left.initialized)  # the copy's origin is as it was


@pytest.mark.parametrize("part", [(-60, 60, 10**12 + 1), (-120, 60, 1)])
def test_more_than_there_is_cannot_leave(part: tuple[int, int, int]) -> None:
    live = begun(2**96)
    minted(live, -60, 60, 10**12)
    with pytest.raises(ImpossibleFactError, match="has less than"):
        withdrawn(live, [part])
