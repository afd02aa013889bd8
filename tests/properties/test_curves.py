"""Random curves: the greeks are the derivatives of the value, and integer arithmetic agrees with real numbers."""

import math
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.curves.book import BookCurve, grid
from pipeline.curves.curve import Curve
from pipeline.curves.derive import derive
from pipeline.curves.invariants import AMMS, Invariant
from pipeline.curves.ranges import Pair, range_parameters
from pipeline.curves.solve import PRICE_TOLERANCE
from pipeline.errors import CurveError
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.math.fixed_point import Q96
from pipeline.math.ticks import MAX_TICK, MIN_TICK, sqrt_price_at_tick

INVARIANTS = {name: AMMS[name].invariant for name in AMMS} | {
    "edges": Invariant("(x + 1)**2*(y + 2) + x*(y + 1)**3 = k")
}
PARAMETERS = {
    "constant-product": {"L": st.floats(1e-3, 1e9)},
    "weighted": {"w": st.floats(0.02, 0.98), "k": st.floats(1e-3, 1e9)},
    "range": {"L": st.floats(1e-3, 1e9), "low": st.floats(1e-3, 0.9), "high": st.floats(1.1, 1e3)},
    "stable-swap": {"A": st.floats(1, 2_000), "D": st.floats(1, 1e9)},
    "solidly": {"k": st.floats(1e-3, 1e12)},
    "edges": {"k": st.floats(8, 1e4)},
}


@cache
def derived(name):
    """Derive a curve when a test first asks: whoever only collects the tests need not wait for all of them."""
    return derive(INVARIANTS[name])


def curves(name):
    return st.fixed_dictionaries(PARAMETERS[name]).map(lambda parameters: Curve(derived(name), parameters))


@pytest.mark.parametrize("name", AMMS)
@settings(max_examples=25)
@given(data=st.data(), log_price=st.floats(-0.09, 0.09))
def test_differences_of_the_value_are_delta_and_gamma(name, data, log_price):
    """The difference quotients of V between two prices are means of delta and gamma over them."""
    curve, price = data.draw(curves(name)), math.exp(log_price)
    low, middle, high = curve.along((price * 0.999, price, price * 1.001))
    slopes = [(b.value - a.value) / (b.price - a.price) for a, b in ((low, middle), (middle, high))]
    noise = 1e-11 * middle.value / price / 1e-3
    assert high.delta - noise <= slopes[1] <= middle.delta + noise
    assert middle.delta - noise <= slopes[0] <= low.delta + noise
    bends = sorted(point.gamma for point in (low, middle, high))
    quotient = (high.delta - low.delta) / (high.price - low.price)
    if abs(log_price) > 0.002 and bends[0] > -1e5 * middle.value:  # Solidly's gamma has no bound at 1
        assert bends[0] * 1.01 <= quotient <= bends[2] * 0.99
    assert middle.lvr_per_variance == pytest.approx(-(price**2) * middle.gamma / 2, rel=1e-9)
    assert middle.value == pytest.approx(price * middle.base + middle.quote, rel=1e-12)


@pytest.mark.parametrize("name", AMMS)
@settings(max_examples=25)
@given(data=st.data(), log_price=st.floats(-0.09, 0.09))
def test_holdings_lie_on_the_curve_and_lead_back_to_the_price(name, data, log_price):
    curve, price = data.draw(curves(name)), math.exp(log_price)
    at = curve.at(price)
    level, back = curve._on_curve(at.base, at.quote)
    assert back == pytest.approx(price, rel=1e-9 if derived(name).closed_form else 2 * PRICE_TOLERANCE)
    larger, _ = curve._on_curve(at.base * (1 + 1e-9), at.quote * (1 + 1e-9))
    smaller, _ = curve._on_curve(at.base * (1 - 1e-9), at.quote * (1 - 1e-9))
    assert smaller < 0 < larger
    assert abs(level) < larger - smaller
    if abs(log_price) > 0.002:  # at Solidly's balance the price hardly depends on the holdings
        assert curve.price_with(at.base) == pytest.approx(price, rel=1e-7)


ticks = st.integers(MIN_TICK // 4, MAX_TICK // 4)
decimals = st.integers(0, 24)


def price_at(tick: int) -> tuple[int, int]:
    """The exact price at a tick."""
    return sqrt_price_at_tick(tick) ** 2, Q96**2


@settings(max_examples=200)
@given(
    ends=st.tuples(ticks, ticks),
    at=ticks,
    liquidity=st.integers(1, 2**100),
    pair=st.builds(Pair, decimals0=decimals, decimals1=decimals, base_is_token0=st.booleans()),
)
def test_the_integer_code_agrees_within_its_rounding(ends, at, liquidity, pair):
    """Each raw amount is the real one rounded down once; a float carries 15 digits of the terms that it is a difference of."""
    lower, upper = sorted(ends)
    assume(lower < upper)
    curve = Curve(derived("range"), range_parameters(pair, liquidity, price_at(lower), price_at(upper)))
    raw = amounts_of_liquidity(sqrt_price_at_tick(at), lower, upper, liquidity)
    point = curve.at(pair.price(*price_at(at)))
    units = (10**pair.decimals0, 10**pair.decimals1)
    base, quote = raw if pair.base_is_token0 else reversed(raw)
    base_unit, quote_unit = units if pair.base_is_token0 else reversed(units)
    inside = min(max(point.price, curve.low), curve.high)
    largest = curve._parameters[0] / math.sqrt(inside), curve._parameters[0] * math.sqrt(inside)
    for real, integer, unit, terms in (
        (point.base, base, base_unit, largest[0]),
        (point.quote, quote, quote_unit, largest[1]),
    ):
        off = Fraction(real) * unit - integer
        noise = Fraction(terms) * unit * Fraction(1, 10**14)
        assert -noise <= off <= 1 + noise


amounts = st.integers(-(10**24), 10**24)
positions = st.lists(
    st.tuples(st.integers(-900, 899), st.integers(1, 400), st.integers(1, 10**24)), min_size=1, max_size=5
)


@settings(max_examples=200)
@given(
    positions=positions,
    base=amounts,
    quote=amounts,
    at=st.integers(-1_500, 1_500),
    pair=st.builds(Pair, decimals0=decimals, decimals1=decimals, base_is_token0=st.booleans()),
)
def test_a_books_value_is_an_exact_revaluation_within_its_bound(positions, base, quote, at, pair):
    """Also where the rest of the book is debt; the oracle moves ticks, and counts in integers."""
    ends = [(lower, lower + width, liquidity) for lower, width, liquidity in positions]
    ranges = [
        Curve(derived("range"), range_parameters(pair, liquidity, price_at(lower), price_at(upper)))
        for lower, upper, liquidity in ends
    ]
    base_unit, quote_unit = 10**pair.base_decimals, 10**pair.quote_decimals
    book = BookCurve(ranges, base / base_unit, quote / quote_unit)
    spot = sqrt_price_at_tick(at)
    held = [amounts_of_liquidity(spot, lower, upper, liquidity) for lower, upper, liquidity in ends]
    held0, held1 = (sum(each) for each in zip(*held, strict=True))
    raw_base, raw_quote = (
        (held0 + base, held1 + quote) if pair.base_is_token0 else (held1 + base, held0 + quote)
    )
    raw_price = Fraction(spot * spot, Q96 * Q96) if pair.base_is_token0 else Fraction(Q96 * Q96, spot * spot)
    exact = Fraction(math.floor(raw_base * raw_price) + raw_quote, quote_unit)
    price = pair.price(*price_at(at))
    point = book.at(price)
    assert abs(Fraction(point.value) - exact) <= Fraction(book.off_by(price, pair))
    assert point.delta == pytest.approx(
        point.base, rel=1e-9, abs=1e-9 * sum(c.at(price).base for c in ranges)
    )
    assert point.gamma == math.fsum(each.at(price).gamma for each in ranges)


def test_the_bound_is_a_few_units_where_a_book_is_large():
    pair = Pair(decimals0=18, decimals1=6, base_is_token0=True)
    curve = Curve(derived("range"), range_parameters(pair, 10**18, price_at(-200_000), price_at(-190_000)))
    book = BookCurve([curve], -10.0, 20_000.0)
    assert book.off_by(3_000.0, pair) < 3 * 1e-6


def test_a_grid_has_the_edges_as_nodes():
    book = BookCurve(
        [
            Curve(derived("range"), {"L": 1.0, "low": low, "high": high})
            for low, high in ((0.5, 1.5), (1.5, 3.0))
        ],
        0.0,
        0.0,
    )
    assert book.edges() == [0.5, 1.5, 3.0]
    prices = grid(0.4, 2.0, 5, book.edges())
    assert prices == sorted(prices)
    assert {0.4, 0.5, 1.5, 2.0} <= set(prices)
    assert 3.0 not in prices
    with pytest.raises(CurveError, match=r"no grid of 5 prices from 2\.0 to 1\.0"):
        grid(2.0, 1.0, 5)


@pytest.mark.parametrize("name", ["stable-swap", "solidly", "edges"])
@settings(max_examples=25)
@given(data=st.data(), logs=st.lists(st.floats(-0.6, 0.6), min_size=2, max_size=12))
def test_prices_sought_together_are_those_sought_alone(name, data, logs):
    """Both price within the tolerance; what they hold differs by what that much of price moves."""
    curve = data.draw(curves(name))
    try:
        alone = [curve.at(math.exp(log)) for log in logs]
    except CurveError:
        assume(False)
    for one, other in zip(curve.along(map(math.exp, logs)), alone, strict=True):
        assert one.price == pytest.approx(other.price, rel=2 * PRICE_TOLERANCE)
        assert one.value == pytest.approx(other.value, rel=1e-11)
        moves = -other.gamma * 4 * PRICE_TOLERANCE * other.price if other.gamma > -math.inf else other.base
        assert abs(one.base - other.base) <= moves + 1e-11 * other.base
        assert abs(one.quote - other.quote) <= moves * other.price + 1e-11 * other.quote


@pytest.mark.parametrize(
    ("name", "parameters", "beyond"),
    [("stable-swap", {"A": 100.0, "D": 1_000.0}, 0), ("solidly", {"k": 7.0}, 0), ("edges", {"k": 30.0}, 68)],
)
def test_prices_are_sought_together(monkeypatch, name, parameters, beyond):
    """Only prices beyond an edge, where one token is held, are evaluated separately."""
    curve, alone = Curve(derived(name), parameters), []
    monkeypatch.setattr(
        Curve, "at", lambda self, price, was=Curve.at: alone.append(price) or was(self, price)
    )
    assert len(curve.along(math.exp(n / 100) for n in range(-100, 101))) == 201
    assert not [price for price in alone if curve.low < price < curve.high]
    assert len(alone) == beyond
