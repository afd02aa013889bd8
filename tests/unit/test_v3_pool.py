"""The state of a live pool, its outputs, and what it refuses."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from v3_pools import OWNER, POOL, START_S, begun, minted, swapped, unpriced

from pipeline.errors import ImpossibleFactError, PipelineError, PoolDriftedError
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.math.fixed_point import Q96
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96, sqrt_price_at_tick
from pipeline.units import Address, RawAmount, Tick
from pipeline.venues.uniswap_v3 import LivePool, quote
from pipeline.venues.uniswap_v3.forms import facts
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, PoolPosition

AT = {"address": POOL, "log_index": 5}
LIQUIDITY = 10**18


def filled(**fields: int) -> LivePool:
    """Price 1, one range about it, one from its upper end on, nothing further out."""
    live = begun(Q96, **fields)
    minted(live, -600, 600, LIQUIDITY)
    minted(live, 600, 1200, LIQUIDITY)
    live.settle()
    return live


def swap_of(live: LivePool, amount: int, *, down: bool, limit_x96: int | None = None) -> facts.Swapped:
    return swapped(quote(live, RawAmount(amount), zero_for_one=down, limit_x96=limit_x96))


def burn_of(live: LivePool, lower: int, upper: int, liquidity: int, owner: Address = OWNER) -> facts.Burned:
    amount0, amount1 = amounts_of_liquidity(live.sqrt_price_x96, Tick(lower), Tick(upper), liquidity)
    return facts.Burned(
        **AT,
        owner=owner,
        tick_lower=lower,
        tick_upper=upper,
        liquidity=liquidity,
        amount0=amount0,
        amount1=amount1,
    )


def test_a_copy_writes_nothing_back() -> None:
    live = filled()
    copy = LivePool.of(POOL, live.pool(), live.ticks, live.observations, live.positions)
    before = live.pool(), dict(live.ticks), dict(live.observations)
    copy.apply(swap_of(copy, 10**17, down=True), START_S + 12)
    minted(copy, -60, 60, 5)
    assert (live.pool(), live.ticks, live.observations) == before
    assert copy.pool() != live.pool()


def test_what_changed_is_named_until_it_is_settled() -> None:
    live = filled()
    live.apply(swap_of(live, 35 * 10**15, down=False), START_S + 12)
    assert live.tick > 600
    assert live.touched_ticks == {600}
    assert live.touched_observations == {0}
    live.settle()
    assert not live.touched_ticks | live.touched_observations | live.touched_positions
    live.apply(burn_of(live, 600, 1200, LIQUIDITY), START_S + 12)
    assert live.touched_ticks == {600, 1200}
    assert set(live.ticks) == {-600, 600}
    assert live.initialized == [-600, 600]


def test_a_tick_that_returns_begins_anew() -> None:
    live = filled()
    live.apply(swap_of(live, 10**15, down=False), START_S + 12)
    minted(live, -1200, -1140, 7)
    assert live.ticks[Tick(-1200)].outside1_x128 == live.growth1_x128 > 0
    live.apply(burn_of(live, -1200, -1140, 7), START_S + 12)
    live.apply(swap_of(live, 10**15, down=False), START_S + 24)
    minted(live, -1200, -1140, 7)
    assert live.ticks[Tick(-1200)].outside1_x128 == live.growth1_x128


def test_a_tick_that_begins_at_the_price_has_all_growth_below_it() -> None:
    live = filled()
    live.apply(swap_of(live, 10**15, down=True), START_S + 12)
    live.apply(swap_of(live, 10**18, down=False, limit_x96=sqrt_price_at_tick(Tick(120))), START_S + 24)
    assert live.tick == 120
    minted(live, 120, 180, 5)
    grown = (live.growth0_x128, live.growth1_x128)
    assert min(grown) > 0
    assert (live.ticks[Tick(120)].outside0_x128, live.ticks[Tick(120)].outside1_x128) == grown
    assert (live.ticks[Tick(180)].outside0_x128, live.ticks[Tick(180)].outside1_x128) == (0, 0)


def test_the_stops_are_found_again_where_a_word_ends() -> None:
    edge = 255 * 60
    live = begun(sqrt_price_at_tick(Tick(edge + 30)))
    minted(live, -60_000, 60_000, LIQUIDITY)
    assert live.stop_above_x96 == sqrt_price_at_tick(Tick(edge + 256 * 60))
    live.apply(swap_of(live, 10**18, down=True, limit_x96=sqrt_price_at_tick(Tick(edge - 30))), START_S)
    assert live.stop_above_x96 == sqrt_price_at_tick(Tick(edge))
    assert live.stop_below_x96 == sqrt_price_at_tick(Tick(0))
    live.apply(swap_of(live, 10**18, down=False, limit_x96=sqrt_price_at_tick(Tick(edge + 90))), START_S)
    assert live.stop_below_x96 == sqrt_price_at_tick(Tick(edge + 60))


def test_only_tracked_positions_are_followed() -> None:
    live = filled()
    other = Address("0x" + "33" * 20)
    live.track(OWNER, Tick(-60), Tick(60), PoolPosition())
    assert live.touched_positions == {(OWNER, -60, 60)}
    live.settle()
    minted(live, -60, 60, 100, owner=other)
    assert not live.touched_positions
    minted(live, -60, 60, 100)
    assert live.touched_positions == {(OWNER, -60, 60)}
    assert live.positions[OWNER, Tick(-60), Tick(60)].liquidity == 100
    live.apply(burn_of(live, -60, 60, 40), START_S)
    held = live.positions[OWNER, Tick(-60), Tick(60)]
    assert held.liquidity == 60
    burnt = amounts_of_liquidity(live.sqrt_price_x96, Tick(-60), Tick(60), 40)
    assert (held.owed0, held.owed1) == burnt


def test_a_poke_books_fees_and_a_collect_pays_them() -> None:
    live = filled()
    live.track(OWNER, Tick(-600), Tick(600), PoolPosition(liquidity=LIQUIDITY))
    live.apply(swap_of(live, 10**15, down=True), START_S + 12)
    live.apply(burn_of(live, -600, 600, 0), START_S + 12)
    held = live.positions[OWNER, Tick(-600), Tick(600)]
    assert (held.owed0, held.owed1) == (3 * 10**12 - 1, 0)
    collect = facts.Collected(
        **AT,
        owner=OWNER,
        recipient=OWNER,
        tick_lower=-600,
        tick_upper=600,
        amount0=held.owed0 - 1,
        amount1=0,
    )
    live.apply(collect, START_S + 12)
    assert live.positions[OWNER, Tick(-600), Tick(600)].owed0 == 1
    with pytest.raises(PoolDriftedError, match="at most 1"):
        live.apply(collect, START_S + 12)


def test_a_collect_for_a_range_that_never_was_changes_nothing() -> None:
    live = filled()
    before = live.pool()
    nothing = {"owner": OWNER, "recipient": OWNER, "tick_lower": -7, "tick_upper": 999_999}
    live.apply(facts.Collected(**AT, **nothing, amount0=0, amount1=0), START_S)
    assert live.pool() == before


@pytest.mark.parametrize("down", [True, False])
def test_the_protocol_takes_its_part_of_its_own_side_only(down: bool) -> None:
    live = filled()
    live.apply(facts.ProtocolFeeSet(**AT, fee_protocol0=4, fee_protocol1=10), START_S)
    live.apply(swap_of(live, 10**15 + 333, down=down), START_S + 12)
    fee = 3 * 10**12 + 1
    parts = (fee // 4, 0) if down else (0, fee // 10)
    growths = [(fee - sum(parts) << 128) // LIQUIDITY, 0]
    assert (live.protocol_fees0, live.protocol_fees1) == parts
    assert [live.growth0_x128, live.growth1_x128] == (growths if down else growths[::-1])
    live.apply(facts.ProtocolFeesCollected(**AT, amount0=parts[0], amount1=parts[1]), START_S + 12)
    assert (live.protocol_fees0, live.protocol_fees1) == (0, 0)


def test_a_flash_pays_the_protocol_and_the_range() -> None:
    live = filled()
    live.apply(facts.ProtocolFeeSet(**AT, fee_protocol0=0, fee_protocol1=5), START_S)
    live.apply(facts.Flashed(**AT, amount0=1_000, amount1=10**6, paid0=3, paid1=4_001), START_S)
    assert (live.protocol_fees0, live.protocol_fees1) == (0, 800)
    assert live.growth0_x128 == (3 << 128) // LIQUIDITY
    assert live.growth1_x128 == (3_201 << 128) // LIQUIDITY


def test_a_pool_writes_one_observation_a_timestamp() -> None:
    live = filled()
    live.apply(facts.CardinalityGrown(**AT, observation_cardinality_next=3), START_S)
    assert live.touched_observations == {1, 2}
    live.apply(swap_of(live, 10**16, down=True), START_S + 12)
    live.apply(swap_of(live, 10**16, down=True), START_S + 12)
    assert live.tick < 0
    assert (live.observation_index, live.observation_cardinality) == (1, 3)
    depth = (12 << 128) // LIQUIDITY
    assert live.observations[1] == OracleSlot(
        timestamp_s=START_S + 12, tick_cumulative=0, seconds_per_liquidity_x128=depth, initialized=True
    )
    assert not live.observations[2].initialized
    quiet = swap_of(live, 1, down=True)
    live.apply(quiet, START_S + 24)
    assert live.observation_index == 1  # the tick stood still
    tick = live.tick
    minted(live, -60 * 60, 60 * 60, 5, at_s=START_S + 24)
    assert live.observations[2].tick_cumulative == 12 * tick
    assert live.observations[2].seconds_per_liquidity_x128 == 2 * depth  # by the liquidity before
    minted(live, 60 * 60, 60 * 61, 5, at_s=START_S + 36)
    assert live.observation_index == 2  # out of range


def test_dust_may_bring_nothing_but_its_fee() -> None:
    live = filled()
    dust = swap_of(live, 1, down=False)
    assert (dust.amount0_delta, dust.amount1_delta, dust.sqrt_price_x96) == (0, 1, Q96)
    live.apply(dust, START_S + 12)
    assert live.growth1_x128 == (1 << 128) // LIQUIDITY
    assert live.pool() == msgspec.structs.replace(live.pool(), sqrt_price_x96=Q96, tick=0)


def test_dust_crosses_a_tick_that_the_price_stands_on() -> None:
    live = filled()
    live.apply(swap_of(live, 10**20, down=False, limit_x96=sqrt_price_at_tick(Tick(600))), START_S + 12)
    assert (live.tick, live.liquidity) == (600, LIQUIDITY)
    live.apply(swap_of(live, 1, down=True), START_S + 12)
    assert (live.tick, live.sqrt_price_x96) == (599, sqrt_price_at_tick(Tick(600)))
    assert live.touched_ticks == {600}
    live.apply(swap_of(live, 1, down=False), START_S + 12)
    assert live.tick == 600


def test_a_price_goes_through_a_range_without_liquidity() -> None:
    live = filled()
    live.apply(
        swap_of(live, 10**20, down=True, limit_x96=sqrt_price_at_tick(Tick(-50_000)) + 5), START_S + 12
    )
    assert (live.tick, live.liquidity) == (-50_000, 0)
    assert live.observations[0].seconds_per_liquidity_x128 == (12 << 128) // LIQUIDITY  # as it was before
    live.apply(swap_of(live, 10**15, down=False), START_S + 24)
    assert live.liquidity == LIQUIDITY


def test_a_pool_begins_once() -> None:
    live = filled()
    again = facts.Initialized(**AT, sqrt_price_x96=Q96, tick=0)
    with pytest.raises(ImpossibleFactError, match="already"):
        live.apply(again, START_S)
    fresh = LivePool.of(POOL, unpriced(), {}, {}, {})
    with pytest.raises(PoolDriftedError, match="tick is 1"):
        fresh.apply(msgspec.structs.replace(again, tick=1), START_S)
    for price in (0, MIN_SQRT_PRICE_X96 - 1, MAX_SQRT_PRICE_X96):
        with pytest.raises(ImpossibleFactError, match="no pool stands"):
            fresh.apply(msgspec.structs.replace(again, sqrt_price_x96=price), START_S)


def test_nothing_happens_in_a_pool_without_a_price() -> None:
    swap = swap_of(filled(), 10**15, down=True)
    burn = burn_of(filled(), -600, 600, 5)
    for fact in (swap, burn):
        with pytest.raises(ImpossibleFactError, match="no price"):
            LivePool.of(POOL, unpriced(), {}, {}, {}).apply(fact, START_S)


SWAP_DOWN = swap_of(filled(), 10**15, down=True)
SWAP_UP = swap_of(filled(), -(10**15), down=False)
SWAP_FAR = swap_of(filled(), 35 * 10**15, down=False)
assert 600 < SWAP_FAR.tick < 1200
CHANGES: list[tuple[facts.Swapped, dict[str, Callable[[int], int]], type[PipelineError]]] = [
    (SWAP_DOWN, {"amount1_delta": lambda x: x - 1}, PoolDriftedError),
    (SWAP_DOWN, {"amount1_delta": lambda x: x + 1}, PoolDriftedError),
    (SWAP_DOWN, {"amount0_delta": lambda x: x - 1000}, PoolDriftedError),
    (SWAP_DOWN, {"amount0_delta": lambda x: x + 1000}, PoolDriftedError),
    (SWAP_DOWN, {"amount0_delta": lambda _: 0}, PoolDriftedError),
    (SWAP_UP, {"amount0_delta": lambda x: x - 1}, PoolDriftedError),
    (SWAP_UP, {"amount0_delta": lambda x: x + 1}, PoolDriftedError),
    (SWAP_UP, {"amount1_delta": lambda x: x - 1}, PoolDriftedError),
    (SWAP_FAR, {"amount0_delta": lambda x: x - 1}, PoolDriftedError),
    (SWAP_FAR, {"amount0_delta": lambda x: x + 1}, PoolDriftedError),
    (SWAP_FAR, {"amount1_delta": lambda x: x // 9}, PoolDriftedError),
    *((swap, {"tick": lambda x, d=d: x + d}, PoolDriftedError) for swap in (SWAP_DOWN, SWAP_FAR) for d in (-1, 1)),
    *((swap, {"liquidity": lambda x, d=d: x + d}, PoolDriftedError) for swap in (SWAP_DOWN, SWAP_FAR) for d in (-1, 1)),
    (SWAP_DOWN, {"tick": lambda _: -(2**23)}, PoolDriftedError),
    (SWAP_DOWN, {"sqrt_price_x96": lambda _: MIN_SQRT_PRICE_X96}, ImpossibleFactError),
    (SWAP_DOWN, {"sqrt_price_x96": lambda _: 0}, ImpossibleFactError),
    (SWAP_UP, {"sqrt_price_x96": lambda _: MAX_SQRT_PRICE_X96}, ImpossibleFactError),
    (SWAP_DOWN, {"amount0_delta": lambda x: -x}, ImpossibleFactError),
    (SWAP_DOWN, {"amount1_delta": lambda x: -x}, ImpossibleFactError),
    (SWAP_UP, {"amount0_delta": lambda x: -x}, ImpossibleFactError),
    (SWAP_DOWN, {"amount0_delta": lambda _: 0, "amount1_delta": lambda _: 0, "sqrt_price_x96": lambda _: Q96}, ImpossibleFactError),
]  # fmt: skip


@pytest.mark.parametrize(("swap", "changes", "error"), CHANGES)
def test_a_swap_that_is_not_the_curves_is_refused(
    swap: facts.Swapped, changes: dict[str, Callable[[int], int]], error: type[PipelineError]
) -> None:
    filled().apply(swap, START_S + 12)
    changed = {name: change(getattr(swap, name)) for name, change in changes.items()}
    with pytest.raises(error, match=f"pool {POOL}, log 2, Swapped: "):
        filled().apply(msgspec.structs.replace(swap, **changed), START_S + 12)


BURN = burn_of(filled(), -600, 600, 10**17)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"amount0": BURN.amount0 + 1}, PoolDriftedError, "amount0"),
        ({"amount1": BURN.amount1 - 1}, PoolDriftedError, "amount1"),
        ({"tick_lower": -601}, ImpossibleFactError, "multiples of 60"),
        ({"tick_lower": 600}, ImpossibleFactError, "not a range"),
        ({"tick_upper": 887_273}, ImpossibleFactError, "not a range"),
        ({"tick_upper": 540}, PoolDriftedError, "amount0"),
    ],
)
def test_a_burn_that_cannot_be_is_refused(
    changes: dict[str, Any], error: type[PipelineError], says: str
) -> None:
    filled().apply(BURN, START_S)
    with pytest.raises(error, match=says):
        filled().apply(msgspec.structs.replace(BURN, **changes), START_S)


def test_more_than_is_there_cannot_leave() -> None:
    live = filled()
    with pytest.raises(ImpossibleFactError, match="tick -600 would become -1"):
        live.apply(burn_of(live, -600, 600, LIQUIDITY + 1), START_S)
    tracked = filled()
    tracked.track(OWNER, Tick(-600), Tick(600), PoolPosition(liquidity=5))
    with pytest.raises(ImpossibleFactError, match="has 5, which cannot change by -6"):
        tracked.apply(burn_of(tracked, -600, 600, 6), START_S)
    empty = filled()
    empty.track(OWNER, Tick(-600), Tick(600), PoolPosition())
    with pytest.raises(ImpossibleFactError, match="cannot change by 0"):
        empty.apply(burn_of(empty, -600, 600, 0), START_S)


def test_more_than_a_tick_may_bear_cannot_come() -> None:
    with pytest.raises(ImpossibleFactError, match="would become"):
        minted(filled(), -600, 1200, 11505743598341114571880798222544994)


@pytest.mark.parametrize(
    ("fact", "error"),
    [
        (facts.ProtocolFeesCollected(**AT, amount0=1, amount1=0), PoolDriftedError),
        (facts.ProtocolFeesCollected(**AT, amount0=0, amount1=1), PoolDriftedError),
        (facts.CardinalityGrown(**AT, observation_cardinality_next=1), ImpossibleFactError),
        (facts.Flashed(**AT, amount0=1000, amount1=0, paid0=2, paid1=0), ImpossibleFactError),
        (facts.Flashed(**AT, amount0=0, amount1=1, paid0=2, paid1=0), ImpossibleFactError),
        (facts.Minted(**AT, owner=OWNER, tick_lower=-60, tick_upper=60, liquidity=0, amount0=0, amount1=0), ImpossibleFactError),
    ],
)  # fmt: skip
def test_what_cannot_follow_is_refused(fact: facts.PoolFact, error: type[PipelineError]) -> None:
    with pytest.raises(error, match=f"pool {POOL}, log 5"):
        filled().apply(fact, START_S)


def test_a_flash_needs_a_lender() -> None:
    with pytest.raises(ImpossibleFactError, match="nobody"):
        begun(Q96).apply(facts.Flashed(**AT, amount0=0, amount1=0, paid0=1, paid1=0), START_S)


def test_a_pool_whose_observations_are_not_known_is_refused() -> None:
    live = filled()
    blind = LivePool.of(POOL, live.pool(), live.ticks, {}, {})
    with pytest.raises(ImpossibleFactError, match="observation 0 is not known"):
        blind.apply(swap_of(blind, 10**17, down=True), START_S + 12)
