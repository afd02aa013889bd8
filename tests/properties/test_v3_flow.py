"""Random operations on a pool: quotes equal replays, no debt exceeds the holdings, and no cache is stale."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v3_pools import OWNER, POOL, START_S, begun, swapped

from pipeline.errors import OutOfRangeError, PipelineError
from pipeline.math.amounts import amounts_of_liquidity, range_amounts
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MAX_TICK, MIN_SQRT_PRICE_X96, sqrt_price_at_tick
from pipeline.units import RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3 import LivePool, quote
from pipeline.venues.uniswap_v3.forms import facts
from pipeline.venues.uniswap_v3.forms.entries import PoolPosition

AT = {"address": POOL, "log_index": 1}
magnitudes = st.one_of(
    st.integers(1, 5), st.integers(0, 24).flatmap(lambda n: st.integers(10**n, 10 ** (n + 1)))
)


@dataclass
class Kept:
    """A pool beside what its tokens must be."""

    live: LivePool
    held0: int = 0
    held1: int = 0
    at_s: int = START_S

    def apply(self, fact: facts.PoolFact, delta0: int, delta1: int) -> None:
        again = copy_of(self.live)
        self.live.apply(fact, self.at_s)
        again.apply(fact, self.at_s)
        assert again.pool() == self.live.pool()
        assert again.ticks == self.live.ticks
        self.held0 += delta0
        self.held1 += delta1
        self.check()

    def check(self) -> None:
        live = self.live
        fresh = copy_of(live)
        assert live.initialized == fresh.initialized
        assert (live.stop_below_x96, live.stop_above_x96) == (fresh.stop_below_x96, fresh.stop_above_x96)
        assert sum(info.liquidity_net for info in live.ticks.values()) == 0
        below = sum(info.liquidity_net for tick, info in live.ticks.items() if tick <= live.tick)
        assert live.liquidity == below
        for info in live.ticks.values():
            assert info.liquidity_gross >= abs(info.liquidity_net)
            assert info.liquidity_gross > 0
        owed0, owed1 = owed_by(live)
        assert owed0 <= self.held0
        assert owed1 <= self.held1


def copy_of(live: LivePool) -> LivePool:
    return LivePool.of(POOL, live.pool(), live.ticks, live.observations, live.positions)


def owed_by(live: LivePool) -> tuple[int, int]:
    """What the pool would have to pay if everybody left now."""
    leaving = copy_of(live)
    total0, total1 = live.protocol_fees0, live.protocol_fees1
    for owner, lower, upper in live.positions:
        held = leaving.positions[owner, lower, upper]
        if held.liquidity:
            leaving.apply(burn_of(leaving, lower, upper, held.liquidity), START_S)
        held = leaving.positions[owner, lower, upper]
        total0, total1 = RawAmount(total0 + held.owed0), RawAmount(total1 + held.owed1)
    assert not leaving.ticks
    assert leaving.liquidity == 0
    return total0, total1


def burn_of(live: LivePool, lower: int, upper: int, liquidity: int) -> facts.Burned:
    amount0, amount1 = amounts_of_liquidity(live.sqrt_price_x96, Tick(lower), Tick(upper), liquidity)
    return facts.Burned(
        **AT,
        owner=OWNER,
        tick_lower=lower,
        tick_upper=upper,
        liquidity=liquidity,
        amount0=amount0,
        amount1=amount1,
    )


def range_of(draw: st.DrawFn, live: LivePool) -> tuple[int, int]:
    spacing = live.tick_spacing
    most = MAX_TICK // spacing
    here = live.tick // spacing
    word = here // 256 * 256
    places = st.one_of(
        st.integers(here - 3, here + 4),
        st.sampled_from([word - 1, word, word + 255, word + 256, -most, most]),
    ).filter(lambda place: -most <= place <= most)
    lower, upper = sorted((draw(places), draw(places)))
    return (lower * spacing, upper * spacing) if lower < upper else (-most * spacing, most * spacing)


def do_mint(draw: st.DrawFn, kept: Kept) -> None:
    lower, upper = range_of(draw, kept.live)
    liquidity = draw(magnitudes)
    if (OWNER, lower, upper) not in kept.live.positions:
        kept.live.track(OWNER, Tick(lower), Tick(upper), PoolPosition())
    amount0, amount1 = range_amounts(
        kept.live.sqrt_price_x96, Tick(lower), Tick(upper), liquidity, round_up=True
    )
    fact = facts.Minted(
        **AT,
        owner=OWNER,
        tick_lower=lower,
        tick_upper=upper,
        liquidity=liquidity,
        amount0=amount0,
        amount1=amount1,
    )
    kept.apply(fact, amount0, amount1)


def do_burn(draw: st.DrawFn, kept: Kept) -> None:
    alive = [key for key, held in kept.live.positions.items() if held.liquidity]
    if alive:
        owner, lower, upper = draw(st.sampled_from(alive))
        liquidity = kept.live.positions[owner, lower, upper].liquidity
        part = draw(st.sampled_from([0, 1, liquidity // 2, liquidity]))
        kept.apply(burn_of(kept.live, lower, upper, part), 0, 0)


def do_collect(draw: st.DrawFn, kept: Kept) -> None:
    if kept.live.positions:
        owner, lower, upper = draw(st.sampled_from(list(kept.live.positions)))
        held = kept.live.positions[owner, lower, upper]
        amount0, amount1 = draw(st.integers(0, held.owed0)), draw(st.integers(0, held.owed1))
        fact = facts.Collected(
            **AT,
            owner=owner,
            recipient=owner,
            tick_lower=lower,
            tick_upper=upper,
            amount0=amount0,
            amount1=amount1,
        )
        kept.apply(fact, -amount0, -amount1)


def limit_of(draw: st.DrawFn, live: LivePool, *, down: bool) -> SqrtPriceX96:
    ticks = [
        *live.initialized,
        live.tick,
        live.tick + 1,
        live.tick // live.tick_spacing // 256 * 256 * live.tick_spacing,
    ]
    on_ticks = st.sampled_from(ticks).map(
        lambda tick: sqrt_price_at_tick(Tick(max(-MAX_TICK, min(tick, MAX_TICK))))
    )
    near = st.integers(-5, 5).map(lambda by: live.sqrt_price_x96 + by)
    edges = st.just(MIN_SQRT_PRICE_X96 + 1 if down else MAX_SQRT_PRICE_X96 - 1)
    return SqrtPriceX96(draw(st.one_of(on_ticks, near, edges, edges)))


def do_swap(draw: st.DrawFn, kept: Kept) -> None:
    down = draw(st.booleans())
    amount = draw(magnitudes) * draw(st.sampled_from([1, -1]))
    limit_x96 = limit_of(draw, kept.live, down=down)
    try:
        quoted = quote(kept.live, RawAmount(amount), zero_for_one=down, limit_x96=limit_x96)
    except OutOfRangeError:
        return
    swap = swapped(quoted)
    refuse_what_it_is_not(kept.live, swap)
    kept.apply(swap, quoted.amount0_delta, quoted.amount1_delta)
    assert kept.live.sqrt_price_x96 == quoted.sqrt_price_x96
    assert (kept.live.tick, kept.live.liquidity) == (quoted.tick, quoted.liquidity)


def refuse_what_it_is_not(live: LivePool, swap: facts.Swapped) -> None:
    """A log off by one in what the curve decides alone is never taken."""
    for name, by in itertools.product(("tick", "liquidity"), (-1, 1)):
        off = msgspec.structs.replace(swap, **{name: getattr(swap, name) + by})
        with pytest.raises(PipelineError):
            copy_of(live).apply(off, START_S)


def do_set_fee(draw: st.DrawFn, kept: Kept) -> None:
    fees = st.sampled_from([0, 4, 7, 10])
    kept.apply(facts.ProtocolFeeSet(**AT, fee_protocol0=draw(fees), fee_protocol1=draw(fees)), 0, 0)


def do_flash(draw: st.DrawFn, kept: Kept) -> None:
    if kept.live.liquidity:
        paid0, paid1 = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
        kept.apply(facts.Flashed(**AT, amount0=0, amount1=0, paid0=paid0, paid1=paid1), paid0, paid1)


DOINGS: list[Callable[[st.DrawFn, Kept], None]] = [
    do_swap,
    do_swap,
    do_swap,
    do_mint,
    do_mint,
    do_burn,
    do_collect,
    do_set_fee,
    do_flash,
]


@given(st.data())
def test_a_pool_keeps_its_promises(data: st.DataObject) -> None:
    spacing = data.draw(st.sampled_from([1, 60, 200]))
    fee_pips = data.draw(st.sampled_from([100, 3000, 10_000]))
    tick = data.draw(st.sampled_from([0, spacing * 255, -spacing * 257, 880_000, -880_000]))
    price_x96 = sqrt_price_at_tick(Tick(tick)) + data.draw(st.sampled_from([-1, 0, 1]))
    kept = Kept(begun(price_x96, fee_pips=fee_pips, tick_spacing=spacing))
    draw = data.draw
    do_mint(draw, kept)
    for doing in data.draw(st.lists(st.sampled_from(DOINGS), max_size=12)):
        kept.at_s += data.draw(st.sampled_from([0, 12]))
        doing(draw, kept)
