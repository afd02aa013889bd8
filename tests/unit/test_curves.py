"""The consequences of an invariant: the textbook formulas as sympy derives them, and what is refused."""

import math

import pytest
import sympy

from pipeline.curves.curve import Curve
from pipeline.curves.derive import EARLIER, PRICE, SIGMA, Symbolic, derive, in_price
from pipeline.curves.invariants import AMMS, Invariant
from pipeline.errors import CurveError

L, LOW, HIGH, W, K, X, Y = sympy.symbols("L low high w k x y", positive=True)
ROOT = sympy.sqrt(PRICE)
CLOSED = ("constant-product", "weighted", "range")


@pytest.fixture(scope="module")
def symbolic():
    return {name: Symbolic(amm.invariant) for name, amm in AMMS.items()}


@pytest.fixture(scope="module")
def derived():
    return {name: derive(amm.invariant) for name, amm in AMMS.items()}


def same(one, other):
    difference = sympy.expand_power_base(
        sympy.expand_log(sympy.log(one) - sympy.log(other), force=True), force=True
    )
    return sympy.simplify(one - other) == 0 or sympy.simplify(difference) == 0


@pytest.mark.parametrize("name", AMMS)
def test_the_delta_is_the_base_held_whatever_the_invariant(symbolic, name):
    assert sympy.simplify(symbolic[name].delta - symbolic[name].x) == 0


@pytest.mark.parametrize("name", AMMS)
def test_a_step_along_the_curve_changes_value_by_delta_and_delta_by_gamma(symbolic, name):
    s = symbolic[name]
    step = s.along(s.price)
    assert sympy.simplify(s.along(s.value) - s.delta * step) == 0
    assert sympy.simplify(s.along(s.delta) - s.gamma * step) == 0
    assert sympy.simplify(s.in_holdings()["LVR"] + SIGMA**2 * s.price**2 * s.gamma / 2) == 0
    assert sympy.simplify(s.along(s.level)) == 0


@pytest.mark.parametrize("name", CLOSED)
def test_the_closed_forms_lie_on_the_curve_at_their_price_and_have_the_greeks_of_the_holdings(symbolic, name):
    s = symbolic[name]
    base, quote = s.holdings_at_price()
    there = {s.x: base, s.y: quote}
    numbers = {
        L: 3,
        LOW: sympy.Rational(4, 5),
        HIGH: 2,
        W: sympy.Rational(3, 10),
        K: 7,
        PRICE: sympy.Rational(9, 8),
    }
    formulas = in_price(base, quote)
    for formula, expected in (
        (s.level, 0),
        (s.price, PRICE),
        (s.value, formulas["value"]),
        (s.delta, formulas["delta"]),
        (s.gamma, formulas["gamma"]),
        (s.in_holdings()["LVR"].subs(SIGMA, 1), formulas["LVR"].subs(SIGMA, 1)),
    ):
        off = (formula.subs(there) - expected).subs(numbers)
        assert abs(sympy.N(off, 40)) < 1e-30


def test_a_range_is_that_of_the_textbook(symbolic):
    formulas = in_price(*symbolic["range"].holdings_at_price())
    assert same(formulas["base"], L * (1 / ROOT - 1 / sympy.sqrt(HIGH)))
    assert same(formulas["quote"], L * (ROOT - sympy.sqrt(LOW)))
    assert same(formulas["gamma"], -L / (2 * PRICE ** sympy.Rational(3, 2)))
    assert same(formulas["LVR"], L * ROOT * SIGMA**2 / 4)
    assert (formulas["low"], formulas["high"]) == (LOW, HIGH)


def test_a_ranges_value_and_share_are_its_upper_and_lower_distances(symbolic):
    """V = L s d/2 and share = du/d, LVR/V = sigma**2/(2d); and back: the range with a share and a d."""
    formulas = in_price(*symbolic["range"].holdings_at_price())
    up, down = sympy.symbols("du dl", positive=True)
    edges = {LOW: PRICE * (1 - down / 2) ** 2, HIGH: PRICE / (1 - up / 2) ** 2}
    inside = {
        sympy.sqrt(edge): value for edge, value in ((LOW, ROOT * (1 - down / 2)), (HIGH, ROOT / (1 - up / 2)))
    }
    value, base, lvr = (formulas[name].subs(inside).subs(edges) for name in ("value", "base", "LVR"))
    assert same(value, L * ROOT * (up + down) / 2)
    assert same(PRICE * base / value, up / (up + down))
    assert same(lvr / value, SIGMA**2 / (2 * (up + down)))


def test_the_constant_product_is_that_of_the_textbook(symbolic):
    formulas = in_price(*symbolic["constant-product"].holdings_at_price())
    assert same(formulas["value"], 2 * L * ROOT)
    assert same(formulas["LVR"] / formulas["value"], SIGMA**2 / 8)
    k = sympy.Symbol("k_ratio", positive=True)
    held = formulas["value"] - formulas["divergence loss"]
    ratio = (formulas["value"] / held - 1).subs(PRICE, k * EARLIER)
    assert same(ratio + 1, 2 * sympy.sqrt(k) / (1 + k))


def test_a_weighted_pool_is_that_of_the_textbook(symbolic):
    formulas = in_price(*symbolic["weighted"].holdings_at_price())
    numbers = {W: sympy.Rational(3, 10), K: 7}
    for price in (sympy.Rational(1, 3), sympy.Integer(5)):
        value, base, gamma, lvr = (
            sympy.N(formulas[name].subs(numbers | {PRICE: price}), 40)
            for name in ("value", "base", "gamma", "LVR")
        )
        at_one = sympy.N(formulas["value"].subs(numbers | {PRICE: 1}), 40)
        assert abs(value / at_one / price**0.3 - 1) < 1e-15
        assert abs(base * price / value - 0.3) < 1e-15
        assert abs(gamma * price**2 / value + 0.21) < 1e-15
        assert abs(lvr.subs(SIGMA, 1) / value - 0.105) < 1e-15


def test_which_have_a_closed_form_is_said(derived):
    assert {name for name, each in derived.items() if each.closed_form} == set(CLOSED)
    assert "P" in derived["range"].formulas["base"]
    assert derived["solidly"].formulas["delta"] == "x"


def test_where_solidly_is_balanced_gamma_has_no_bound(derived):
    curve = Curve(derived["solidly"], {"k": 2.0})
    balanced = curve.at(1.0)
    assert (balanced.base, balanced.quote, balanced.value) == (1.0, 1.0, 2.0)
    assert balanced.gamma == -math.inf
    assert curve.at(1 + 1e-6).gamma < curve.at(1.01).gamma < -1


def test_a_stable_swap_is_flat_while_balanced_and_a_product_far_away(derived):
    curve = Curve(derived["stable-swap"], {"A": 100.0, "D": 2.0})
    assert curve.at(1.0)[:4] == pytest.approx((1, 1, 1, 2), rel=1e-14)
    assert curve.at(1.0).gamma == pytest.approx(-(100 + 0.5), rel=1e-12)
    flat = Curve(derived["stable-swap"], {"A": 1e-9, "D": 2.0})
    product = Curve(derived["constant-product"], {"L": 1.0})
    assert flat.at(1.7)[1:] == pytest.approx(product.at(1.7)[1:], rel=1e-8)


def test_beyond_its_edges_a_range_holds_one_token_and_trades_no_more(derived):
    curve = Curve(derived["range"], {"L": 10.0, "low": 0.5, "high": 2.0})
    below, low, high, above = curve.along([0.25, 0.5, 2.0, 4.0])
    assert (curve.low, curve.high) == (0.5, 2.0)
    assert (below.base, below.quote, below.gamma) == (low.base, 0.0, 0.0)
    assert below.value == 0.25 * low.base
    assert (above.base, above.quote, above.delta, above.lvr_per_variance) == (0.0, high.quote, 0.0, 0.0)
    assert low.gamma < 0 > high.gamma


def test_a_users_curve_with_edges_is_found_numerically():
    curve = Curve(derive(Invariant("(x + 1)**2*(y + 2) + x*(y + 1)**3 = k")), {"k": 30.0})
    assert not curve.derived.closed_form
    assert 0 < curve.low < curve.high < math.inf
    only_base, only_quote = curve.at(curve.low / 2), curve.at(curve.high * 2)
    assert only_base.quote == 0 < only_base.base
    assert only_quote.base == 0 < only_quote.quote
    for price in (curve.low * 1.001, math.sqrt(curve.low * curve.high), curve.high * 0.999):
        assert curve.price_with(curve.at(price).base) == pytest.approx(price, rel=1e-9)


@pytest.mark.parametrize(
    ("equation", "says"),
    [
        ("x*y", "not an equation"),
        ("x*y = k = 1", "not an equation"),
        ("x = k", "does not name x, the base held, and y"),
        ("x*y = P", "kept for what is derived"),
        ("x*y = __import__('os')", "calls something else"),
        ("x*y = k.real", "not arithmetic"),
        ("x*y = (lambda: 1)()", "calls something else"),
        ("x*y = open(k)", "calls something else"),
        ("x*y = sqrt(k, 2)", "other than one argument"),
        ("x*y = sqrt", "sqrt is a function"),
        ("x*y = 9**9**9", "power beyond 100"),
        ("x*y = (9**9)**9", "power beyond 100"),
        ("x**1000 * y = k", "power beyond 100"),
        ("x**(1/0) * y = k", "power beyond 100"),
        ("x*y = _0", "_0 is kept for what is derived"),
        ("x*y = 'k'", "not arithmetic"),
        ("x*y = k if x else y", "not arithmetic"),
        ("x*y = k;1", "not one expression"),
        ("x*y = (", "not a formula"),
        ("x*y = " + "(" * 5_000 + ")" * 5_000, "not a formula"),
        ("x*y = " + "k+" * 60_000 + "k", "too long"),
    ],
)
def test_what_is_no_invariant_is_refused(equation, says):
    with pytest.raises(CurveError, match=says):
        Invariant(equation)


def test_parameters_may_have_any_other_name():
    curve = Curve(
        derive(Invariant("(x + x0)*(y + E*pi) = gamma**2")), {"x0": 1.0, "E": 2.0, "pi": 3.0, "gamma": 5.0}
    )
    assert (curve.low, curve.high) == pytest.approx((6 * 6 / 25, 25.0))
    assert curve.at(4.0)[1:3] == pytest.approx((5 / 2 - 1, 5 * 2 - 6))


@pytest.mark.parametrize(
    "equation", ["x**(1/2)*y = k", "x**-2 + y**-2 = 2**(1/3)*k", "x**w*y = k**2", "x*y = 2**w"]
)
def test_ordinary_powers_are_taken(equation):
    assert Invariant(equation).parameters


def test_an_invariant_with_one_price_is_refused():
    with pytest.raises(CurveError, match="does not depend on the holdings"):
        derive(Invariant("x + 2*y = k"))


def test_an_invariant_that_bends_the_other_way_is_refused():
    curve = Curve(derive(Invariant("x**2 + y**2 = k")), {"k": 1.0})
    with pytest.raises(CurveError, match="is not convex at the price"):
        curve.at(1.0)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"L": 1.0, "low": 1.0}, "needs a value for high"),
        ({"L": 1.0, "low": 1.0, "high": 2.0, "w": 1.0}, "does not have w"),
        ({"L": 0.0, "low": 1.0, "high": 2.0}, "L = 0.0 is not positive"),
        ({"L": math.nan, "low": 1.0, "high": 2.0}, "L = nan is not positive"),
        ({"L": 1.0, "low": 2.0, "high": 1.0}, "the lowest price 2.0 is not below the highest 1.0"),
        ({"L": 1.0, "low": 1.0, "high": 1.0}, "the lowest price 1.0 is not below"),
    ],
)
def test_parameters_that_make_no_curve_are_refused(derived, parameters, says):
    with pytest.raises(CurveError, match=says):
        Curve(derived["range"], parameters)


@pytest.mark.parametrize("price", [0.0, -1.0, math.inf, math.nan])
def test_a_price_that_cannot_be_is_refused(derived, price):
    for name, amm in AMMS.items():
        with pytest.raises(CurveError, match="is not positive and finite"):
            Curve(derived[name], amm.parameters).at(price)
