"""Somebody pushes a pool around a withdrawal: liquidity withdrawn at a pushed price is worth no less at the true price."""

import pytest
from judge_bench import Bench
from price_play import (
    DOLLAR,
    ETHER,
    MANAGER,
    around,
    brings,
    give_past,
    hold,
    mint,
    push,
    send,
    swap_to,
    undone,
)
from sender_house import PASTLESS, limits_of, priced_pool

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import LogBps
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.reads import balance, minted_token_id, position, slot0
from streams.devnet.world import DevnetPool
from streams.submit.venues.uniswap_v3.terms import References

pytestmark = pytest.mark.anvil

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
"""WETH is token1, and token0."""
WINDOW_S = 180
JUMP_TICKS = 3_853
"""47 %."""
PUSHES = (-JUMP_TICKS, -388, 60, 388, JUMP_TICKS)
ROUNDING = 10
"""Raw units of token1 that a withdrawal's own roundings cost."""


def placed(bench: Bench, pool: DevnetPool, half_width: int) -> int:
    """Give the owner a range around the price that is as old as a window, and return its NFT."""
    ticks = around(bench, pool, half_width)
    amounts = bench.world.amounts(pool, 20 * ETHER)
    (receipt,) = bench.chain.execute(actions.mint_position(bench.world, bench.owner, pool, ticks, amounts))
    hold(bench, WINDOW_S + 24)
    bench.limits = limits_of(bench.world, twap_window_s=WINDOW_S)
    return minted_token_id(receipt, bench.world)


def withdrawal(bench: Bench, token_id: int, *more: bytes) -> SubmitTransaction:
    """Take all of an NFT out, at whatever price."""
    liquidity, deadline_s = (
        position(bench.chain, bench.world, token_id).liquidity,
        bench.head().timestamp_s + 600,
    )
    parts = [
        function(MANAGER, "decreaseLiquidity").encode((token_id, liquidity, 0, 0, deadline_s)),
        function(MANAGER, "collect").encode((token_id, bench.owner, 2**128 - 1, 2**128 - 1)),
        *more,
    ]
    data = function(MANAGER, "multicall").calldata(parts)
    return bench.intent(bench.world.position_manager, data, gas_limit=1_400_000)


def wealth(bench: Bench, pool: DevnetPool, whose: str, fair_x96: int) -> int:
    """Tell what somebody has of the pool's tokens, in token1 at the true price."""
    amount0, amount1 = (balance(bench.chain, token, whose) for token in (pool.token0, pool.token1))
    return (amount0 * fair_x96 * fair_x96 >> 192) + amount1


def taken_out(bench: Bench, pool: DevnetPool, token_id: int, fair_x96: int) -> int:
    """Tell what a withdrawal brings that nobody trades about."""
    with undone(bench.chain):
        had = wealth(bench, pool, bench.owner, fair_x96)
        tx_hash = send(bench, withdrawal(bench, token_id))
        bench.chain.mine()
        assert bench.chain.receipt(tx_hash).succeeded
        return wealth(bench, pool, bench.owner, fair_x96) - had


# ------------------------------------------------------------------ what is signed
@pytest.mark.parametrize("ticks", PUSHES)
@pytest.mark.parametrize("name", POOLS)
def test_after_a_jump_liquidity_may_be_taken_out_at_once_and_nothing_be_traded(
    bench: Bench, name: str, ticks: int
) -> None:
    """Its mean has all of its window still to go."""
    pool = bench.world.pool(name)
    token_id = placed(bench, pool, 1_000)
    push(bench, pool, ticks)
    assert bench.judge(withdrawal(bench, token_id))
    sold, bought = (pool.token0, pool.token1) if ticks > 0 else (pool.token1, pool.token0)
    amount = ETHER // 10 if sold == bench.world.weth else 300 * DOLLAR
    honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=name))
    for other in (bench.swap(sold, amount, honest, pool=name), mint(bench, pool, around(bench, pool))):
        refusal = bench.refusal(other)
        assert "its own mean" in refusal.detail, refusal


def test_a_withdrawal_with_a_mint_behind_it_waits_for_the_mean(bench: Bench) -> None:
    pool = bench.world.pool(POOLS[0])
    token_id = placed(bench, pool, 1_000)
    push(bench, pool, 388)
    opened = bytes.fromhex(mint(bench, pool, around(bench, pool)).call.data[2:])
    refusal = bench.refusal(withdrawal(bench, token_id, opened))
    assert (refusal.reason, "ticks from" in refusal.detail) == ("market", True), refusal


def test_how_far_the_price_may_be_is_the_files_and_never_less_than_for_a_trade(bench: Bench) -> None:
    pool = bench.world.pool(POOLS[0])
    token_id = placed(bench, pool, 1_000)
    push(bench, pool, 388)
    for most, signs in ((387 - 5, False), (395, True)):
        bench.limits = limits_of(
            bench.world, twap_window_s=WINDOW_S, max_spot_from_twap_withdrawing_log_bps=LogBps(most)
        )
        if signs:
            bench.judge(withdrawal(bench, token_id))
        else:
            assert f"at most {most}" in bench.refusal(withdrawal(bench, token_id)).detail
    bench.limits = limits_of(
        bench.world,
        twap_window_s=WINDOW_S,
        max_spot_from_twap_log_bps=LogBps(400),
        max_spot_from_twap_withdrawing_log_bps=LogBps(1),
    )
    bench.judge(withdrawal(bench, token_id))


def test_each_reference_is_asked(bench: Bench) -> None:
    """Another pool of the pair, which nobody has pushed, bounds it as the pool's own mean does."""
    pool, other = bench.world.pool(POOLS[0]), bench.world.pool(PASTLESS)
    give_past(bench, other)
    token_id = placed(bench, pool, 1_000)
    push(bench, pool, 388)
    hold(bench, WINDOW_S + 24)
    bench.limits = limits_of(
        bench.world,
        twap_window_s=WINDOW_S,
        references=References(pools=(priced_pool(other),)),
        max_spot_from_twap_withdrawing_log_bps=LogBps(200),
    )
    assert "the mean of pool" in bench.refusal(withdrawal(bench, token_id)).detail


# ------------------------------------------------------------------ what somebody gains by it
@pytest.mark.parametrize("ticks", PUSHES)
@pytest.mark.parametrize(("half_width", "in_one_block"), [(60, True), (1_000, False)])
@pytest.mark.parametrize("name", POOLS)
def test_who_pushes_the_price_before_a_withdrawal_and_takes_it_back_pays_for_it(
    bench: Bench, name: str, half_width: int, in_one_block: bool, ticks: int
) -> None:
    """About the withdrawal in its block, or a block before it is signed."""
    chain, pool, robber = bench.chain, bench.world.pool(name), bench.world.accounts.traders[0]
    token_id = placed(bench, pool, half_width)
    was = slot0(chain, pool)
    fair_x96, pushed_x96 = was.sqrt_price_x96, sqrt_price_at_tick(was.tick + ticks)
    quiet = taken_out(bench, pool, token_id, fair_x96)
    had, robber_had = (wealth(bench, pool, whose, fair_x96) for whose in (bench.owner, robber))
    chain.send(swap_to(bench.world, pool, robber, fair_x96, pushed_x96))
    if not in_one_block:
        chain.mine()
        bench.judge(withdrawal(bench, token_id))
    tx_hash = send(bench, withdrawal(bench, token_id))
    chain.send(swap_to(bench.world, pool, robber, pushed_x96, fair_x96))
    chain.mine()
    assert chain.receipt(tx_hash).succeeded
    assert slot0(chain, pool).tick == was.tick, "the price is back"
    brought = wealth(bench, pool, bench.owner, fair_x96) - had
    assert brought >= quiet - ROUNDING
    assert wealth(bench, pool, robber, fair_x96) <= robber_had + ROUNDING
