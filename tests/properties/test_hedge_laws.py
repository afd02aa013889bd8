"""Properties of a hedge's formulas on random inputs: the band is the cheapest, sales of collateral reach their target, and first passage agrees with a simulation."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import HedgeError
from pipeline.hedge.collateral import Deleverage, repay_from_outside, sell_collateral
from pipeline.hedge.liquidation import DebtPosition, Horizon, largest_ratio_bps, probability_of_liquidation
from pipeline.hedge.no_trade_band import cost_rate, no_trade_band

prices, gammas = st.floats(1e-4, 1e6), st.floats(1e-6, 1e4)
aversions = st.floats(1e-9, 1e-1)


costs = st.tuples(prices, gammas, aversions, st.floats(1e-3, 1e4), st.floats(1e-6, 1e-2))


def average_cost(inner, outer, given, volatility):
    """The cost per time of acting at the outer edge and trading back to the inner one, from how long the delta stays inside."""
    price, gamma, aversion, fixed, proportional = given
    trades = (gamma * volatility * price) ** 2 / (outer**2 - inner**2)
    risk = aversion * (volatility * price) ** 2 * (outer**2 + inner**2) / 12
    return trades * (fixed + proportional * price * (outer - inner)) + risk


@given(costs, st.floats(0.05, 2))
def test_no_other_band_is_cheaper(given, volatility):
    """Both derivatives are zero there: a step of 1 % either way costs more, whatever the volatility."""
    band = no_trade_band(*given)
    assert 0 < band.back_to < band.act_at
    cheapest = average_cost(*band, given, volatility)
    assert cheapest == pytest.approx(cost_rate(band, given[0], given[2], volatility), rel=1e-6)
    for inner, outer in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99)):
        if band.back_to * inner < band.act_at * outer * 0.999:
            other = average_cost(band.back_to * inner, band.act_at * outer, given, volatility)
            assert other > cheapest * (1 - 1e-9)


@pytest.mark.parametrize(
    "numbers",
    [(0.0, 1, 1, 1, 1), (1, math.nan, 1, 1, 1), (1, 1, 0.0, 1, 1), (1, 1, 1, -1, 1), (1, 1, 1, 1, math.inf)],
)
def test_what_gives_no_band_is_refused(numbers):
    with pytest.raises(HedgeError, match="no band follows"):
        no_trade_band(*map(float, numbers))


@given(st.floats(0.5, 0.9), st.floats(1.0, 2.5), st.floats(0, 0.05))
def test_a_repayment_or_a_sale_leads_to_the_health_asked_for(threshold, now, swap_cost):
    collateral, target = 1_000.0, 1.6
    debt = collateral * threshold / now
    repaid = repay_from_outside(collateral, debt, threshold, target)
    sold = sell_collateral(collateral, debt, threshold, target, swap_cost)
    if now >= target:
        assert repaid <= 1e-9 >= sold
        return
    assert collateral * threshold / (debt - repaid) == pytest.approx(target, rel=1e-9)
    left = (collateral - sold) * threshold / (debt - sold * (1 - swap_cost))
    assert left == pytest.approx(target, rel=1e-6)


@given(st.floats(0.5, 0.85), st.floats(1.1, 1.55), st.floats(0, 0.05), st.floats(1.01, 1.08))
def test_no_withdrawal_of_a_sale_leads_below_the_floor_and_no_repayment_makes_it_worse(
    threshold, now, swap_cost, floor
):
    collateral = 1_000.0
    debt = collateral * threshold / now
    sold = sell_collateral(collateral, debt, threshold, 1.6, swap_cost)
    loops = Deleverage(collateral, debt, threshold, floor, swap_cost).loops(sold)
    assert math.fsum(loops) == pytest.approx(sold, rel=1e-5)
    for step in loops:
        before = collateral * threshold / debt
        collateral -= step
        assert collateral * threshold / debt >= floor * (1 - 1e-9)
        debt -= step * (1 - swap_cost)
        assert collateral * threshold / debt >= before * (1 - 1e-9)


def test_a_sale_that_leads_nowhere_is_refused():
    with pytest.raises(HedgeError, match=r"no sale of 100\.0 of collateral leads a debt of 100\.0"):
        sell_collateral(100.0, 100.0, 0.8, 1.6, 0.0)
    with pytest.raises(HedgeError, match=r"no sale of .* to a health factor of 0\.9"):
        sell_collateral(100.0, 95.0, 0.8, 0.9, 0.3)
    with pytest.raises(HedgeError, match=r"no more collateral can be withdrawn while 50\.0 of 50\.0"):
        Deleverage(100.0, 90.0, 0.8, 1.02, 0.0).loops(50.0)


@pytest.mark.parametrize(
    ("collateral", "ratio", "percent"),
    [
        (1.0, 0.65, 0.3),
        (1.0, 0.8, 2.3),
        (1.0, 1.0, 11.9),
        (0.7, 0.5, 0.9),
        (0.7, 0.65, 7.1),
        (0.7, 1.0, 69.8),
    ],
)
def test_the_chance_of_liquidation_is_that_of_a_simulation(collateral, ratio, percent):
    """Half of a position is base, a ratio of it is borrowed; 90 days at 65 % a year, looked at daily: within half a point."""
    loan = DebtPosition(0.0, collateral * 0.78, ratio / 2, 0.0)
    likely = probability_of_liquidation(loan, 1.0, Horizon(0.65, 90 / 365, 1 / 365))
    assert 100 * likely == pytest.approx(percent, abs=0.5)


@pytest.mark.parametrize("distance", [0.1, -0.1, 0.3])
def test_passage_is_as_often_as_in_a_walk(distance):
    """10,000 walks of 64 steps; the law's own standard error is half a point."""
    steps, walks, step = 64, 10_000, 0.5 / 8
    dice = random.Random(7)
    passed = 0
    for _ in range(walks):
        at = 0.0
        for _ in range(steps):
            at += dice.gauss(-(step**2) / 2, step)
            if at / distance >= 1:
                passed += 1
                break
    law = Horizon(step * 8, 1.0, 1 / 64).passage(distance)
    assert law == pytest.approx(passed / walks, abs=4 * math.sqrt(law * (1 - law) / walks) + 0.004)


@given(
    st.tuples(*[st.floats(0, 1e4)] * 2, *[st.floats(1e-3, 1e4)] * 2),
    st.floats(1e-2, 1e4),
)
def test_the_health_factor_is_one_at_the_price_of_liquidation_and_nowhere_else(amounts, price):
    loan = DebtPosition(*amounts)
    at = loan.liquidation_price()
    if at is None:
        assert (loan.health(price) < 1) == (loan.health(price * 1e3) < 1) or loan.health(
            price
        ) == pytest.approx(1)
        return
    assert loan.health(at) == pytest.approx(1, rel=1e-6)
    assert (loan.health(at * 0.9) < 1) != (loan.health(at * 1.1) < 1)


def test_the_largest_ratio_is_the_last_one_that_is_safe_enough():
    def position_at(ratio_bps):
        return DebtPosition(0.0, 0.78, ratio_bps / 20_000, 0.0)

    law = 1.0, Horizon(0.65, 90 / 365)
    ratio = largest_ratio_bps(position_at, 100, *law)
    assert 6_500 < ratio < 8_000
    assert (
        probability_of_liquidation(position_at(ratio), *law)
        <= 0.01
        < probability_of_liquidation(position_at(ratio + 1), *law)
    )
    assert largest_ratio_bps(position_at, 9_999, *law) == 10_000
    assert largest_ratio_bps(lambda _: DebtPosition(0.0, 0.4, 0.5, 0.0), 100, *law) == 0
    assert (
        largest_ratio_bps(lambda _: DebtPosition(0.0, 0.4, 0.0, 0.0), 0, *law) == 10_000
    )  # no debt is as safe as one may ask for
