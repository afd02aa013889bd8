"""Bands, collateral and deleveraging of a hedge equal reference vectors, computed elsewhere with 60 digits, to 12 digits."""

import json
import math
from pathlib import Path

import pytest

from pipeline.hedge.collateral import (
    Deleverage,
    collateral_per_value,
    earning_share,
    largest_debt,
    repay_from_outside,
    sell_collateral,
)
from pipeline.hedge.liquidation import DebtPosition
from pipeline.hedge.no_trade_band import cost_rate, no_trade_band

VECTORS = Path(__file__).parents[2].parent / "shared" / "data" / "vectors" / "quant" / "vectors.json"

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"{VECTORS} is not there")


@pytest.fixture(scope="module")
def vectors():
    return {each["id"]: each for each in json.loads(VECTORS.read_text())["vectors"]}


def given(vector):
    return {name: float(text) for name, text in vector["inputs"].items()}


def same(got, expected):
    return got == pytest.approx(float(expected), rel=1e-12, abs=0)


@pytest.mark.parametrize("name", ["band_proportional", "band_fixed", "band_combined"])
def test_a_band_is_the_vectors(vectors, name):
    vector, at = vectors[name], given(vectors[name])
    band = no_trade_band(at["P"], at["abs_gamma"], at["R"] / at["V"], at.get("G", 0.0), at.get("lam", 0.0))
    expected = vector["outputs"]
    assert same(band.act_at, expected["H"])
    assert same(
        band.act_at / (at["abs_gamma"] * at["P"]),
        expected.get("H_log_move", expected.get("as_log_price_move")),
    )
    if name == "band_combined":
        assert same(band.back_to, expected["h0"])
        rate = cost_rate(band, at["P"], at["R"] / at["V"], at["sigma_annual_for_cost_rate"])
        assert same(rate, expected["cost_rate_quote_per_year"])
    else:
        assert band.back_to == (band.act_at if name == "band_proportional" else 0)


def test_a_short_against_stable_collateral_is_the_vectors(vectors):
    vector, at = vectors["aave_health"], given(vectors["aave_health"])
    expected = vector["outputs"]
    loan = DebtPosition(0.0, at["C"] * at["LT"], at["q"], 0.0)
    for name, shock in (
        ("HF_0", 0),
        ("HF_plus10", 0.1),
        ("HF_plus25", 0.25),
        ("HF_plus30", 0.3),
        ("HF_minus20", -0.2),
    ):
        assert same(loan.health(at["P"] * (1 + shock)), expected[name])
    assert same(loan.liquidation_price(), expected["liquidation_price"])
    debt = largest_debt(at["C"], at["LT"], at["LTV"], at["H_target"], at["gap"]) / at["P"]
    assert same(debt, expected["max_debt_base_for_H_after_gap"])
    owed = at["q"] * at["P"] * (1 + at["gap"])
    where = at["C"], owed, at["LT"]
    assert same(repay_from_outside(*where, at["H_target"]), expected["after_30pct_repay_from_outside_quote"])
    assert same(sell_collateral(*where, at["H_target"], 0.0), expected["after_30pct_sell_collateral_quote"])
    total = sell_collateral(*where, at["H_target"], at["eps"])
    assert same(total, expected["after_30pct_sell_collateral_with_cost"])
    loops = Deleverage(*where, at["in_between_floor"], at["eps"]).loops(total)
    assert same(loops[0], expected["after_30pct_max_single_withdraw_quote"])
    assert (
        len(loops) == 5
    )  # the vector says 6; each loop sells 1.02 * .997 / .78 times the one before, and 4.25 are enough
    assert same(math.fsum(loops), expected["loops_total_sold"])


def test_the_capital_that_a_hedge_ties_up_is_the_vectors(vectors):
    vector, at = vectors["hedge_capital"], given(vectors["hedge_capital"])
    tied_up = collateral_per_value(at["hedged_base_share"], at["LT"], at["LTV"], at["HF_floor"], at["gap"])
    assert same(tied_up, vector["outputs"]["C_over_V"])
    assert same(earning_share(tied_up), vector["outputs"]["lp_fraction_of_capital"])
