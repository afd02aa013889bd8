from decimal import Decimal, localcontext

import pytest

from pipeline.errors import OutOfRangeError
from pipeline.math import ticks
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    MIN_TICK,
    is_at_tick,
    max_liquidity_per_tick,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.units import SqrtPriceX96, Tick


def test_the_edges_are_the_contracts() -> None:
    assert sqrt_price_at_tick(MIN_TICK) == MIN_SQRT_PRICE_X96
    assert sqrt_price_at_tick(Tick(MIN_TICK + 1)) == 4295343490
    assert sqrt_price_at_tick(Tick(0)) == 2**96
    assert sqrt_price_at_tick(Tick(MAX_TICK - 1)) == 1461373636630004318706518188784493106690254656249
    assert sqrt_price_at_tick(MAX_TICK) == MAX_SQRT_PRICE_X96


@pytest.mark.parametrize("bit", range(20))
def test_each_factor_is_a_power_of_the_base(bit: int) -> None:
    with localcontext() as context:
        context.prec = 120
        exact = Decimal(2) ** 128 / Decimal("1.0001").sqrt() ** (2**bit)
        assert abs(ticks._FACTORS_X128[bit] - exact) < 1


def test_no_tick_beyond_the_edges() -> None:
    for tick in (MIN_TICK - 1, MAX_TICK + 1):
        with pytest.raises(OutOfRangeError, match=str(tick)):
            sqrt_price_at_tick(Tick(tick))


def test_no_tick_at_a_price_that_cannot_be() -> None:
    assert tick_at_sqrt_price(MIN_SQRT_PRICE_X96) == MIN_TICK
    assert tick_at_sqrt_price(SqrtPriceX96(MAX_SQRT_PRICE_X96 - 1)) == MAX_TICK - 1
    for price in (0, MIN_SQRT_PRICE_X96 - 1, MAX_SQRT_PRICE_X96):
        with pytest.raises(OutOfRangeError):
            tick_at_sqrt_price(SqrtPriceX96(price))


def test_a_price_is_at_one_tick_only() -> None:
    price = sqrt_price_at_tick(Tick(60))
    assert [tick for tick in range(55, 65) if is_at_tick(price, Tick(tick))] == [60]
    assert [tick for tick in range(55, 65) if is_at_tick(SqrtPriceX96(price - 1), Tick(tick))] == [59]
    assert not is_at_tick(price, MAX_TICK)
    assert not is_at_tick(price, Tick(2**23 - 1))
    assert not is_at_tick(price, Tick(-(2**23)))


@pytest.mark.parametrize(
    ("spacing", "most"),
    [  # from the tests of v3-core
        (10, 1917569901783203986719870431555990),
        (60, 11505743598341114571880798222544994),
        (200, 38350317471085141830651933667504588),
        (887272, 113427455640312821154458202477256070485),
        (2302, 441351967472034323558203122479595605),
    ],
)
def test_the_most_liquidity_a_tick_may_bear(spacing: int, most: int) -> None:
    assert max_liquidity_per_tick(spacing) == most
