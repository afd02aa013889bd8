"""Derived curves equal reference vectors, computed elsewhere with 60 digits, to 12 digits."""

import itertools
import json
import math
from pathlib import Path

import pytest

from pipeline.curves.curve import Curve
from pipeline.curves.derive import derive
from pipeline.curves.invariants import AMMS

VECTORS = Path(__file__).parents[2].parent / "shared" / "data" / "vectors" / "quant" / "vectors.json"

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"{VECTORS} is not there")


@pytest.fixture(scope="module")
def derived():
    return derive(AMMS["range"].invariant)


@pytest.fixture(scope="module")
def vectors():
    return {each["id"]: each for each in json.loads(VECTORS.read_text())["vectors"]}


def numbers(vector, part):
    return {name: float(text) for name, text in vector[part].items() if isinstance(text, str)}


def same(got, expected):
    return got == pytest.approx(expected, rel=1e-12, abs=0)


def a_range(derived, given, low="P_lower", high="P_upper"):
    return Curve(derived, {"L": given["L"], "low": given[low], "high": given[high]})


@pytest.mark.parametrize("name", ["v3_in_range", "v3_below", "v3_above"])
def test_a_position(derived, vectors, name):
    given, expected = numbers(vectors[name], "inputs"), numbers(vectors[name], "outputs")
    at = a_range(derived, given).at(given["P"])
    assert same(at.base, expected["amount_base"])
    assert same(at.quote, expected["amount_quote"])
    assert same(at.value, expected["value_quote"])
    assert same(at.delta, expected.get("delta_base", at.base))
    assert same(at.gamma, expected["gamma_base_per_quote"])
    assert same(at.gamma * at.price**2, expected["dollar_gamma_P2_gamma"])
    assert same(at.base * at.price / at.value, expected["base_value_share"])


def test_a_hedged_position_through_a_jump_in_one_block(derived, vectors):
    """The loss of a range with a fully hedged delta, also beyond its edge, where delta and gamma overstate it."""
    given, expected = (
        numbers(vectors["one_block_gap"], "inputs"),
        numbers(vectors["one_block_gap"], "outputs"),
    )
    curve = a_range(derived, given)
    before, after = curve.at(given["P"]), curve.at(given["P"] * (1 + given["J"]))
    move = after.price - before.price
    assert same(after.value - before.value, expected["unhedged"])
    assert same(after.value - before.value - before.delta * move, expected["hedged"])
    assert same(before.gamma * move**2 / 2, expected["delta_gamma"])


def test_the_other_token_as_the_base(derived, vectors):
    vector = vectors["v3_orientation_flip"]
    given, expected = numbers(vector, "inputs"), numbers(vector, "outputs")
    flipped = Curve(derived, {"L": given["L"], "low": 1 / given["P_upper"], "high": 1 / given["P_lower"]})
    at = flipped.at(1 / given["P_token1_per_token0"])
    assert same(at.quote, expected["amount_token0"])
    assert same(at.base, expected["amount_token1"])
    assert same(at.delta, expected["delta_wrt_token1_price_in_token0"])
    assert same(at.value, expected["value_in_token0"])
    assert same(at.gamma, expected["gamma_wrt_token1_price"])


def test_the_range_with_a_share_and_a_width(derived, vectors):
    given = numbers(vectors["v3_composition_match"], "inputs")
    expected = numbers(vectors["v3_composition_match"], "outputs")
    curve = a_range(derived, {"L": 1.0, **expected})
    at = curve.at(given["P"])
    assert same(at.base * at.price / at.value, given["share"])
    assert same(2 * at.value / math.sqrt(at.price), given["d"])


def test_loss_versus_rebalancing(derived, vectors):
    given, expected = numbers(vectors["lvr_range"], "inputs"), numbers(vectors["lvr_range"], "outputs")
    at = a_range(derived, given).at(given["P"])
    rate = at.lvr_per_variance * given["sigma_annual"] ** 2
    assert same(rate, expected["lvr_quote_per_year"])
    assert same(rate / at.value, expected["lvr_share_per_year"])


def test_divergence_loss(derived, vectors):
    given = numbers(vectors["divergence_loss"], "inputs")
    expected = numbers(vectors["divergence_loss"], "outputs")
    curve = a_range(derived, given)
    loss = curve.divergence_loss(given["P0"], given["P1"])
    assert loss == pytest.approx(expected["il_quote"], rel=1e-11)  # a difference of values 50 times as large
    assert same(1 + loss / (curve.at(given["P1"]).value - loss), 1 + expected["il_ratio_vs_hold"])


def test_a_path_is_held_inventory_and_loss(derived, vectors):
    vector = vectors["attribution_path"]
    curve = a_range(derived, numbers(vector, "inputs"))
    path = curve.along(map(float, vector["inputs"]["path"]))
    expected = numbers(vector, "outputs")
    steps = list(itertools.pairwise(path))
    change = path[-1].value - path[0].value
    lvr = math.fsum(b.value - a.value - a.delta * (b.price - a.price) for a, b in steps)
    inventory = math.fsum((a.delta - path[0].delta) * (b.price - a.price) for a, b in steps)
    for got, name in ((change, "dV"), (lvr, "minus_lvr"), (inventory, "inventory")):
        assert got == pytest.approx(expected[name], rel=1e-11)  # differences of values 50 times as large
    assert curve.divergence_loss(path[0].price, path[-1].price) == pytest.approx(expected["il"], rel=1e-10)
