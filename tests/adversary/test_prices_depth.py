"""Somebody makes a pool look deep, or a book is too large for it: sizes follow the pool's real depth near its price."""

import pytest
from judge_bench import Bench
from price_play import DOLLAR, ETHER, MANAGER, around, brings, hold, mint, push, undone
from sender_house import limits_of

from pipeline.math.amounts import amount0_delta
from pipeline.math.slippage import price_window_x96
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.reads import balance, minted_token_id, position, read, slot0
from streams.devnet.world import DevnetPool
from streams.submit.venues.uniswap_v3.depth import Near, Range, depth_in_token1, ticks_near

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
_POOL = "uniswap-v3/UniswapV3Pool"


def held_within_1_percent(bench: Bench, pool: DevnetPool) -> int:
    """Take it all out by trading to 1 % below and to 1 % above, and count it in token1 at the price as it is."""
    chain, trader = bench.chain, bench.world.accounts.traders[1]
    spot_x96 = slot0(chain, pool).sqrt_price_x96
    found = []
    for bought, limit_x96 in zip((pool.token1, pool.token0), price_window_x96(spot_x96, 100), strict=True):
        sold = pool.token0 if bought == pool.token1 else pool.token1
        with undone(chain):
            had = balance(chain, bought, trader)
            amount = 100_000 * ETHER if sold == bench.world.weth else 1_000_000_000 * DOLLAR
            chain.execute(actions.swap_exact_in(bench.world, trader, pool, sold, amount, limit_x96=limit_x96))
            found.append(balance(chain, bought, trader) - had)
    below, above = found
    return min(below, above * spot_x96 * spot_x96 >> 192)


def near(bench: Bench, pool: DevnetPool) -> Near:
    chain, now = bench.chain, slot0(bench.chain, pool)
    spacing = read(chain, pool.address, _POOL, "tickSpacing")
    nets = {
        tick: read(chain, pool.address, _POOL, "ticks", tick)[1]
        for tick in ticks_near(now.sqrt_price_x96, spacing)
    }
    return Near(
        sqrt_price_x96=now.sqrt_price_x96,
        tick=now.tick,
        liquidity=read(chain, pool.address, _POOL, "liquidity"),
        nets=nets,
        mean_liquidity=None,
    )


# ------------------------------------------------------------------ what there is
@pytest.mark.anvil
@pytest.mark.parametrize("off", [0, 195, -233, 415, 900])
@pytest.mark.parametrize("name", POOLS)
def test_depth_is_what_trading_takes_out_and_never_more(bench: Bench, name: str, off: int) -> None:
    """At prices where ranges begin and end within 1 % too."""
    pool = bench.world.pool(name)
    if off:
        push(bench, pool, off)
    truth, found = held_within_1_percent(bench, pool), depth_in_token1(near(bench, pool))
    assert truth * 999 // 1_000 <= found <= truth + 2


def test_liquidity_that_leaves_does_not_count_whatever_its_range() -> None:
    wide, narrow = 5 * 10**17, 3 * 10**17
    nets = {-60: wide, -20: narrow, 40: -narrow, 60: -wide}
    here = Near(
        sqrt_price_x96=1 << 96, tick=0, liquidity=10**18 + wide + narrow, nets=nets, mean_liquidity=None
    )
    whole = depth_in_token1(here)
    for lower, upper, liquidity in ((-60, 60, wide), (-20, 40, narrow), (-887_220, 887_220, 10**18)):
        leaving = [Range(tick_lower=lower, tick_upper=upper, liquidity=liquidity)]
        assert depth_in_token1(here, leaving) < whole
    everything = [
        Range(tick_lower=-887_220, tick_upper=887_220, liquidity=10**18),
        Range(tick_lower=-60, tick_upper=60, liquidity=wide),
        Range(tick_lower=-20, tick_upper=40, liquidity=narrow),
    ]
    assert depth_in_token1(here, everything) == 0


def test_the_lesser_side_counts() -> None:
    """All liquidity above the price: nothing holds it from falling."""
    here = Near(
        sqrt_price_x96=sqrt_price_at_tick(0), tick=-1, liquidity=0, nets={0: 10**18}, mean_liquidity=None
    )
    assert amount0_delta(sqrt_price_at_tick(0), sqrt_price_at_tick(99), 10**18, round_up=False) > 0
    assert depth_in_token1(here) == 0


# ------------------------------------------------------------------ what an intent may move of it
@pytest.mark.anvil
@pytest.mark.parametrize("name", POOLS)
def test_a_swap_moves_at_most_its_share(bench: Bench, name: str) -> None:
    bench.limits = limits_of(bench.world, twap_window_s=180, max_share_of_depth_bps=500)
    pool = bench.world.pool(name)
    depth = held_within_1_percent(bench, pool)
    weth, usdc = bench.world.weth, bench.world.usdc_of(pool)
    depth_weth = depth if pool.token1 == weth else depth * 10**12 // 3_000
    for sold, bought, unit in ((weth, usdc, 1), (usdc, weth, 3_000)):
        for thousandths, passes in ((48, True), (52, False)):
            amount = depth_weth * thousandths // 1_000 * unit // (1 if sold == weth else 10**12)
            honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=name))
            intent = bench.swap(sold, amount, honest, pool=name)
            if passes:
                bench.judge(intent)
            else:
                refusal = bench.refusal(intent)
                assert (refusal.reason, "within 1 %" in refusal.detail) == ("limits", True)


@pytest.mark.anvil
def test_liquidity_that_came_in_the_last_block_makes_no_room(bench: Bench) -> None:
    """Somebody adds ten times the pool's liquidity for a block: the mean of the window barely rises."""
    world, pool = bench.world, bench.world.pool(POOLS[0])
    bench.limits = limits_of(world, twap_window_s=180)
    depth = held_within_1_percent(bench, pool)
    amount = depth * 3 // 10
    provider = world.accounts.providers[0]
    bench.chain.execute(
        actions.mint_position(
            world, provider, pool, around(bench, pool, 300), world.amounts(pool, 9_000 * ETHER)
        )
    )
    honest = brings(bench, world.usdc_of(pool), bench.swap(world.weth, amount, 0))
    intent = bench.swap(world.weth, amount, honest)
    assert "within 1 %" in bench.refusal(intent).detail
    hold(bench, 400)
    bench.judge(intent_again(bench, amount, honest))


def intent_again(bench: Bench, amount: int, least: int):
    return bench.swap(bench.world.weth, amount, least)


@pytest.mark.anvil
def test_our_own_liquidity_that_a_waiting_withdrawal_takes_out_is_not_counted(bench: Bench) -> None:
    """A book that is most of its pool: its swap comes after its withdrawal, into what is left."""
    world, pool, chain = bench.world, bench.world.pool(POOLS[0]), bench.chain
    (receipt,) = chain.execute(
        actions.mint_position(
            world, bench.owner, pool, around(bench, pool, 300), world.amounts(pool, 3_000 * ETHER)
        )
    )
    token_id = minted_token_id(receipt, world)
    hold(bench, 400)
    bench.limits = limits_of(world, twap_window_s=180, max_loss_bps=500)
    deadline_s = bench.head().timestamp_s + 600
    parts = [
        function(MANAGER, "decreaseLiquidity").encode(
            (token_id, position(chain, world, token_id).liquidity, 0, 0, deadline_s)
        ),
        function(MANAGER, "collect").encode((token_id, bench.owner, 2**128 - 1, 2**128 - 1)),
    ]
    data = function(MANAGER, "multicall").calldata(parts)
    withdrawal = bench.intent(world.position_manager, data, gas_limit=500_000)
    amount = 40 * ETHER
    least = brings(bench, world.usdc_of(pool), bench.swap(world.weth, amount, 0))
    bench.judge(bench.swap(world.weth, amount, least))
    behind = bench.refusal(bench.swap(world.weth, amount, least * 98 // 100), waiting=(withdrawal,))
    assert (behind.reason, "within 1 %" in behind.detail) == ("limits", True), behind
    small = bench.swap(world.weth, ETHER, 2_995 * DOLLAR)
    found = bench.judge(small, waiting=(withdrawal,))
    assert found.effect.deltas[world.usdc_low] < 2_999 * DOLLAR, (
        "simulated where the withdrawal leaves the pool"
    )


@pytest.mark.anvil
def test_a_mint_moves_at_most_its_share_of_the_deepest_pool(bench: Bench) -> None:
    pool = bench.world.pool(POOLS[0])
    bench.limits = limits_of(bench.world, twap_window_s=180)
    depth = held_within_1_percent(bench, pool)
    bench.judge(mint(bench, pool, around(bench, pool), weth=depth * 4 // 100))
    refusal = bench.refusal(mint(bench, pool, around(bench, pool), weth=depth * 6 // 100))
    assert (refusal.reason, "within 1 %" in refusal.detail) == ("limits", True)
