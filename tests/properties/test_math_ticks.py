"""Ticks and prices are exact inverses, and the stops of a swap step equal those of the contract's bitmap."""

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from pipeline.math.bitmap import is_last_of_word, stop_above, stop_below
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    MIN_TICK,
    is_at_tick,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.units import SqrtPriceX96, Tick

ticks = st.one_of(
    st.integers(MIN_TICK, MAX_TICK - 1),
    st.integers(-300, 300),
    st.integers(MIN_TICK, MIN_TICK + 300),
    st.integers(MAX_TICK - 300, MAX_TICK - 1),
).map(Tick)
spacings = st.sampled_from([1, 10, 60, 200, 16_383])


@given(ticks)
def test_a_tick_begins_at_its_own_price(tick: Tick) -> None:
    price = sqrt_price_at_tick(tick)
    assert tick_at_sqrt_price(price) == tick
    if tick > MIN_TICK:
        assert tick_at_sqrt_price(SqrtPriceX96(price - 1)) == tick - 1


@given(ticks)
def test_a_price_is_close_to_the_power_it_stands_for(tick: Tick) -> None:
    with localcontext() as context:
        context.prec = 90
        base = Decimal("1.0001").sqrt()
        exact = base**tick * 2**96
        one_in = 2**128 / base ** abs(tick)  # what is cut off is one in so many, at each multiplication
        assert abs(sqrt_price_at_tick(tick) - exact) <= 1 + 40 * exact / one_in


@given(st.integers(MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96 - 1).map(SqrtPriceX96))
def test_the_tick_of_a_price_is_the_greatest_that_begins_by_then(price: SqrtPriceX96) -> None:
    tick = tick_at_sqrt_price(price)
    assert sqrt_price_at_tick(tick) <= price < sqrt_price_at_tick(Tick(tick + 1))
    assert is_at_tick(price, tick)
    assert not is_at_tick(price, Tick(tick - 1))
    assert not is_at_tick(price, Tick(tick + 1))


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """A strategy for a spacing, a start tick, and initialised ticks, many of them near and on the edges of words."""
    spacing = draw(spacings)
    tick = draw(ticks)
    most = MAX_TICK // spacing
    compressed = tick // spacing
    near = st.one_of(
        st.integers(-most, most),
        st.integers(-300, 300).map(lambda distance: compressed + distance),
        st.integers(-2, 2).map(lambda word: (compressed // 256 + word) * 256),
        st.integers(-2, 2).map(lambda word: (compressed // 256 + word) * 256 - 1),
    ).filter(lambda place: -most <= place <= most)
    places = draw(st.sets(near, max_size=12))
    return spacing, tick, sorted(place * spacing for place in places)


def found_in_bitmap(tick: int, spacing: int, initialized: list[int], *, lte: bool) -> tuple[int, bool]:
    """Search one word bit by bit, as nextInitializedTickWithinOneWord does."""
    bits = {place // spacing for place in initialized}
    compressed = tick // spacing if lte else tick // spacing + 1
    while True:
        if compressed in bits:
            return compressed * spacing, True
        if compressed % 256 == (0 if lte else 255):
            return max(min(compressed * spacing, MAX_TICK), MIN_TICK), False
        compressed += -1 if lte else 1


@given(maps())
def test_the_stops_are_those_of_the_bitmap(case: tuple[int, int, list[int]]) -> None:
    spacing, tick, initialized = case
    below = stop_below(Tick(tick), spacing, [Tick(t) for t in initialized])
    above = stop_above(Tick(tick), spacing, [Tick(t) for t in initialized])
    assert below == found_in_bitmap(tick, spacing, initialized, lte=True)
    assert above == found_in_bitmap(tick, spacing, initialized, lte=False)
    assert below[0] <= tick < above[0]


@given(maps())
def test_only_the_last_spacing_of_a_word_has_other_stops_than_its_neighbours_between_them(
    case: tuple[int, int, list[int]],
) -> None:
    spacing, tick, initialized = case
    ticks_there = [Tick(t) for t in initialized]
    here = (stop_below(Tick(tick), spacing, ticks_there), stop_above(Tick(tick), spacing, ticks_there))
    if not is_last_of_word(Tick(tick), spacing):
        for other in (here[0][0], here[1][0] - 1):
            assert stop_below(Tick(other), spacing, ticks_there) == here[0]
            assert stop_above(Tick(other), spacing, ticks_there) == here[1]
