"""A trade that is replayed in one step leaves the pool as the full replay does, and the full replay refuses whatever one step refuses."""

import copy
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from v3_pools import START_S, begun, minted, swapped

from pipeline.errors import OutOfRangeError, PipelineError
from pipeline.math.swap_step import fee_on
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import LogIndex, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3 import LivePool, quote, swaps
from pipeline.venues.uniswap_v3.forms.facts import Swapped

LATER_S = START_S + 12
FIELDS = ("amount0_delta", "amount1_delta", "sqrt_price_x96", "liquidity", "tick")
powers = st.integers(3, 29).flatmap(lambda n: st.integers(10**n, 10 ** (n + 1)))
ticks = st.one_of(st.integers(-20_000, 20_000), st.integers(-60_000, 60_000), st.integers(-800_000, 800_000))


def pool_at(tick: int, beyond: int, liquidity: int, fee_pips: int, protocol: int) -> LivePool:
    """A pool just beyond the price of a tick, with liquidity about it and further out."""
    live = begun(sqrt_price_at_tick(Tick(tick)) + beyond, fee_pips=fee_pips)
    here = live.tick // 60 * 60
    minted(live, here - 600, here + 660, liquidity)
    minted(live, here - 6_000, here - 600, 2 * liquidity)
    live.fee_protocol0 = live.fee_protocol1 = protocol
    live.settle()
    return live


def left_by(live: LivePool, swap: Swapped) -> object:
    """Apply a trade to a copy, and return its whole result, or its refusal."""
    copied = copy.deepcopy(live)
    try:
        copied.apply(swap, LATER_S)
    except PipelineError as error:
        return type(error), str(error)
    stops = copied.stop_below_x96, copied.stop_above_x96, copied.same_from_x96, copied.same_to_x96
    return copied.pool(), copied.ticks, copied.observations, copied.touched_ticks, stops


@st.composite
def pools_and_trades(draw: st.DrawFn) -> tuple[LivePool, Swapped]:
    """A pool, and the log of a trade in it, which may be off in one field."""
    liquidity = draw(powers)
    live = pool_at(
        draw(ticks),
        draw(st.integers(0, 10**6)),
        liquidity,
        draw(st.sampled_from([0, 100, 500, 3_000, 10_000])),
        draw(st.sampled_from([0, 4, 10])),
    )
    amount = RawAmount((liquidity // 10 ** draw(st.integers(1, 9)) + 1) * draw(st.sampled_from([1, -1])))
    try:
        swap = swapped(quote(live, amount, zero_for_one=draw(st.booleans())))
    except OutOfRangeError:
        reject()
    field, off = draw(st.sampled_from(FIELDS)), draw(st.sampled_from([0] * 6 + [1, -1, 10**6, -(10**6)]))
    return live, msgspec.structs.replace(swap, **{field: getattr(swap, field) + off})


@given(pools_and_trades())
def test_one_step_and_the_full_replay_leave_the_same(pool_and_trade: tuple[LivePool, Swapped]) -> None:
    live, swap = pool_and_trade
    left = left_by(live, swap)
    with patch.object(swaps, "_one_step", lambda *_: False):
        assert left == left_by(live, swap)


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("tick", [-20_000, 3_000, 40_000])
@pytest.mark.parametrize("amount", [10**14, -(10**14)])
def test_a_trade_within_its_range_is_taken_in_one_step(amount: int, tick: int, down: bool) -> None:
    live = pool_at(tick, 10**4, 10**28, 3_000, 0)
    swap = swapped(quote(live, RawAmount(amount), zero_for_one=down))
    with patch.object(swaps, "_any_steps") as further:
        live.apply(swap, LATER_S)
    assert not further.called
    assert live.sqrt_price_x96 == swap.sqrt_price_x96


def doubled(liquidity: int, paid_out: int) -> tuple[LivePool, Swapped]:
    """A pool at price 1, and the log of a trade that doubles the root of its price: the curve pays half the liquidity, without a remainder."""
    live = begun(2**96)
    minted(live, -15_240, 15_240, liquidity)
    paid_in = RawAmount(liquidity + fee_on(RawAmount(liquidity), live.fee_pips))
    swap = Swapped(
        address=live.address,
        log_index=LogIndex(1),
        sender=live.address,
        recipient=live.address,
        amount0_delta=RawAmount(-paid_out),
        amount1_delta=paid_in,
        sqrt_price_x96=SqrtPriceX96(2**97),
        liquidity=live.liquidity,
        tick=Tick(13_863),
    )
    return live, swap


def test_what_a_trade_pays_out_is_taken_in_one_step_to_the_last_unit() -> None:
    taken = [
        off for off in range(-3, 4) if swaps._one_step(*doubled(liquidity=10**20, paid_out=10**20 // 2 + off))
    ]
    assert taken == [0]


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("field", ["paid out", "tick"])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_trade_that_is_off_by_one_is_not(off: int, field: str, down: bool) -> None:
    live = pool_at(3_000, 10**4, 10**20, 3_000, 0)
    swap = swapped(quote(live, RawAmount(10**14 + 7), zero_for_one=down))
    name = field if field == "tick" else "amount1_delta" if down else "amount0_delta"
    assert not swaps._one_step(live, msgspec.structs.replace(swap, **{name: getattr(swap, name) + off}))
    assert swaps._one_step(live, swap)
