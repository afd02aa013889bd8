"""The accounting of an NFT and of its pool position, and time-weighted ticks."""

import msgspec
import pytest
from v3_pools import POOL, START_S, begun, minted, swapped

from pipeline.errors import ImpossibleFactError, OutOfRangeError
from pipeline.math.fixed_point import Q96, Q128
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Address, RawAmount, Seconds, Tick
from pipeline.venues.uniswap_v3 import (
    LivePool,
    apply_manager_fact,
    collectable,
    fees_alone,
    in_range,
    mean_tick,
    observe,
    quote,
)
from pipeline.venues.uniswap_v3.forms import facts
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, PoolPosition, TickInfo

MANAGER = Address("0x" + "77" * 20)
OWNER = Address("0x" + "22" * 20)
AT = {"address": MANAGER, "log_index": 4, "token_id": 9}
NFT = NftPosition(owner=OWNER, pool=POOL, tick_lower=-60, tick_upper=60, liquidity=100, owed0=7, owed1=1)
BEFORE_THE_WRAP = Q128 * Q128 - Q128
LOWER = TickInfo(liquidity_gross=1, liquidity_net=1, outside0_x128=0, outside1_x128=0)


def pool_at(growth0_x128: int, growth1_x128: int, tick: int = 0) -> LivePool:
    live = begun(Q96)
    live.growth0_x128, live.growth1_x128, live.tick = growth0_x128, growth1_x128, tick
    return live


def test_an_increase_books_what_was_earned_over_the_wrap() -> None:
    last = msgspec.structs.replace(NFT, inside0_last_x128=BEFORE_THE_WRAP)
    poked = PoolPosition(liquidity=500, inside0_last_x128=2 * Q128, inside1_last_x128=Q128 // 200)
    after = apply_manager_fact(
        last, poked, facts.LiquidityIncreased(**AT, liquidity=11, amount0=1, amount1=2)
    )
    assert after == msgspec.structs.replace(
        last,
        liquidity=111,
        owed0=7 + 300,
        owed1=1,
        inside0_last_x128=2 * Q128,
        inside1_last_x128=Q128 // 200,
    )


def test_an_increase_of_an_empty_nft_copies_the_growth() -> None:
    empty = msgspec.structs.replace(NFT, liquidity=0)
    held = PoolPosition(liquidity=5, inside0_last_x128=3 * Q128)
    after = apply_manager_fact(empty, held, facts.LiquidityIncreased(**AT, liquidity=5, amount0=1, amount1=2))
    assert (after.liquidity, after.inside0_last_x128, after.owed0) == (5, 3 * Q128, 7)


def test_a_decrease_owes_principal_and_fees() -> None:
    held = PoolPosition(liquidity=60, inside0_last_x128=Q128, inside1_last_x128=0)
    after = apply_manager_fact(
        NFT, held, facts.LiquidityDecreased(**AT, liquidity=40, amount0=1000, amount1=2000)
    )
    assert (after.liquidity, after.owed0, after.owed1) == (60, 7 + 100 + 1000, 2001)
    assert (after.principal_owed0, after.principal_owed1) == (1000, 2000)
    with pytest.raises(ImpossibleFactError, match="position 9, log 4"):
        apply_manager_fact(NFT, held, facts.LiquidityDecreased(**AT, liquidity=101, amount0=0, amount1=0))


def test_a_collect_takes_the_principal_first() -> None:
    nft = msgspec.structs.replace(NFT, owed0=107, owed1=50, principal_owed0=100, principal_owed1=20)
    held = PoolPosition(liquidity=100)
    after = apply_manager_fact(nft, held, facts.NftCollected(**AT, recipient=OWNER, amount0=60, amount1=50))
    assert (after.owed0, after.owed1) == (47, 0)
    assert (after.principal_owed0, after.principal_owed1) == (40, 0)
    with pytest.raises(ImpossibleFactError, match="is owed 107 and 50"):
        apply_manager_fact(nft, held, facts.NftCollected(**AT, recipient=OWNER, amount0=0, amount1=51))
    with pytest.raises(ImpossibleFactError, match="is owed 107 and 50"):
        apply_manager_fact(nft, held, facts.NftCollected(**AT, recipient=OWNER, amount0=108, amount1=0))


def test_a_collect_without_liquidity_copies_nothing() -> None:
    empty = msgspec.structs.replace(NFT, liquidity=0, inside0_last_x128=5)
    held = PoolPosition(inside0_last_x128=Q128, owed0=3)
    after = apply_manager_fact(empty, held, facts.NftCollected(**AT, recipient=OWNER, amount0=7, amount1=0))
    assert after == msgspec.structs.replace(empty, owed0=0)


def test_a_transfer_changes_the_owner_alone() -> None:
    heir = Address("0x" + "99" * 20)
    after = apply_manager_fact(NFT, PoolPosition(), facts.NftTransferred(**AT, sender=OWNER, recipient=heir))
    assert after == msgspec.structs.replace(NFT, owner=heir)


def test_what_is_collectable_is_what_both_accounts_have_after_a_poke() -> None:
    pool = pool_at(Q128, 2 * Q128).pool()
    rich = PoolPosition(liquidity=100, owed0=10**6, owed1=10**6)
    assert collectable(pool, LOWER, LOWER, NFT, rich) == (107, 201)
    poor = PoolPosition(liquidity=100, inside0_last_x128=Q128, owed0=106, owed1=0)
    assert collectable(pool, LOWER, LOWER, NFT, poor) == (106, 200)


def test_an_nft_without_liquidity_needs_no_ticks() -> None:
    pool = pool_at(Q128, Q128).pool()
    empty = msgspec.structs.replace(NFT, liquidity=0)
    assert collectable(pool, None, None, empty, PoolPosition(owed0=5, owed1=5)) == (5, 1)
    with pytest.raises(ImpossibleFactError, match="no ticks"):
        collectable(pool, LOWER, None, NFT, PoolPosition(liquidity=100))


def test_fees_alone_leave_the_principal_out_and_never_fall_below_nothing() -> None:
    pool = pool_at(Q128, 0).pool()
    nft = msgspec.structs.replace(NFT, owed0=57, owed1=30, principal_owed0=50, principal_owed1=30)
    held = PoolPosition(liquidity=100, owed0=10**6, owed1=29)
    paid = collectable(pool, LOWER, LOWER, nft, held)
    assert paid == (157, 29)
    assert fees_alone(paid, nft) == (107, 0)


@pytest.mark.parametrize(("tick", "earns"), [(-61, False), (-60, True), (59, True), (60, False)])
def test_a_range_earns_from_its_lower_tick_up_to_before_its_upper(tick: int, earns: bool) -> None:
    assert in_range(tick, -60, 60) == earns
    pool = pool_at(Q128, 0, tick=tick).pool()
    fresh = msgspec.structs.replace(NFT, owed0=0)
    held = PoolPosition(liquidity=100)
    assert (collectable(pool, LOWER, LOWER, fresh, held)[0] == 100) == earns


def test_the_mean_tick_weighs_by_time_and_rounds_down() -> None:
    live = begun(Q96)
    minted(live, -60_000, 60_000, 10**18)
    live.apply(facts.CardinalityGrown(address=POOL, log_index=1, observation_cardinality_next=9), START_S)
    limit_x96 = sqrt_price_at_tick(Tick(-200))
    live.apply(swapped(quote(live, RawAmount(10**18), zero_for_one=True, limit_x96=limit_x96)), START_S + 100)
    assert live.tick == -200
    now_s = START_S + 103
    assert mean_tick(live, now_s, Seconds(103)) == -6  # -600 / 103 = -5.8
    assert mean_tick(live, now_s, Seconds(3)) == -200
    assert mean_tick(live, now_s, Seconds(50)) == -12
    assert observe(live, now_s, Seconds(0))[0] == -600
    assert observe(live, now_s, Seconds(103)) == (0, 0)
    for too_long in (104, 10**6):
        with pytest.raises(OutOfRangeError, match="reach back"):
            mean_tick(live, now_s, Seconds(too_long))
    with pytest.raises(OutOfRangeError, match="no mean"):
        mean_tick(live, now_s, Seconds(0))
