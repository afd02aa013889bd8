"""The guarantees of the devnet's contracts and accounts to their users."""

from pathlib import Path

import pytest

from contracts_abi import load_abi
from pipeline.venues.abi import event_topic
from streams.devnet import actions, direct_calls
from streams.devnet.chain import Chain
from streams.devnet.deploy import first_sqrt_price_x96
from streams.devnet.reads import (
    balance,
    minted_token_id,
    position,
    range_around,
    read,
    slot0,
    token_ids,
)
from streams.devnet.world import DevnetPool, World, load_world

pytestmark = pytest.mark.anvil

_POOL = "uniswap-v3/UniswapV3Pool"
POOLS = ("weth_usdc_low_500", "weth_usdc_high_500", "weth_usdc_low_3000")


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest, world: World) -> DevnetPool:
    return world.pool(request.param)


def test_both_token_orders_exist(world: World) -> None:
    assert world.usdc_low < world.weth < world.usdc_high
    assert world.pool("weth_usdc_low_500").token1 == world.weth
    assert world.pool("weth_usdc_high_500").token0 == world.weth
    assert {pool.fee_pips for pool in world.pools.values()} == {500, 3_000}


def test_each_pool_begins_at_the_first_price_with_ranges_about_it(
    chain: Chain, world: World, pool: DevnetPool
) -> None:
    expected_x96 = first_sqrt_price_x96(weth_is_token0=pool.token0 == world.weth)
    assert slot0(chain, pool).sqrt_price_x96 == expected_x96
    lower, upper = pool.full_range()
    initialized = [read(chain, pool.address, _POOL, "ticks", tick)[0] > 0 for tick in (lower, upper)]
    assert initialized == [True, True]
    assert read(chain, pool.address, _POOL, "liquidity") > initialized.count(True)
    assert len(token_ids(chain, world, world.accounts.providers[0])) == len(POOLS)


def test_observation_rings_have_their_sizes(chain: Chain, world: World) -> None:
    sizes = [slot0(chain, world.pool(name)).observation_cardinality_next for name in POOLS]
    assert sizes == [32, 40, 1]


def test_everybody_is_funded_alike(chain: Chain, world: World) -> None:
    for account in (*world.accounts.owners, *world.accounts.traders, *world.accounts.spare):
        assert [balance(chain, token, account) for token in world.tokens] == [
            2 * 10**23,
            2 * 10**15,
            2 * 10**15,
        ]
        assert int(chain.rpc("eth_getBalance", account, "latest"), 16) > 10**23


def test_the_position_manager_draws_its_nfts(chain: Chain, world: World) -> None:
    uri = read(chain, world.position_manager, "uniswap-v3/NonfungiblePositionManager", "tokenURI", 1)
    assert uri.startswith("data:application/json;base64,"), "its library is linked"


def test_the_lenses_answer(chain: Chain, world: World) -> None:
    pool = world.pool("weth_usdc_high_500")
    terms = (pool.token0, pool.token1, 10**18, pool.fee_pips, 0)
    quote = read(chain, world.quoter, "uniswap-v3/QuoterV2", "quoteExactInputSingle", terms)
    trader = world.accounts.traders[0]
    before = balance(chain, pool.token1, trader)
    chain.execute(actions.swap_exact_in(world, trader, pool, pool.token0, 10**18))
    assert balance(chain, pool.token1, trader) - before == quote[0]
    word = slot0(chain, pool).tick // pool.tick_spacing >> 8
    assert read(chain, world.tick_lens, "uniswap-v3/TickLens", "getPopulatedTicksInWord", pool.address, word)
    assert read(chain, world.multicall, "multicall/Multicall3", "getBlockNumber") == chain.header().number


def test_a_position_lives_its_whole_life(chain: Chain, world: World, pool: DevnetPool) -> None:
    owner, heir = world.accounts.owners[:2]
    ticks = range_around(chain, pool, -600, 600)
    amounts = world.amounts(pool, 10**18)
    (minted,) = chain.execute(actions.mint_position(world, owner, pool, ticks, amounts))
    token_id = minted_token_id(minted, world)
    assert token_ids(chain, world, owner) == (token_id,)
    chain.execute(actions.increase(world, owner, token_id, amounts))
    held = position(chain, world, token_id)
    assert (held.lower, held.upper) == ticks
    chain.execute(actions.transfer_nft(world, owner, heir, token_id))
    trader = world.accounts.traders[0]
    chain.execute(actions.swap_exact_in(world, trader, pool, world.weth, 10**18))
    before = balance(chain, world.weth, heir)
    chain.execute(
        actions.decrease(world, heir, token_id, held.liquidity),
        actions.collect(world, heir, token_id),
        actions.burn_position(world, heir, token_id),
    )
    assert token_ids(chain, world, heir) == ()
    assert balance(chain, world.weth, heir) > before


def test_a_swap_stops_at_its_limit(chain: Chain, world: World, pool: DevnetPool) -> None:
    trader = world.accounts.traders[0]
    limit_x96 = slot0(chain, pool).sqrt_price_x96 * 1_001 // 1_000
    amount = balance(chain, pool.token1, trader)
    chain.execute(actions.swap_exact_in(world, trader, pool, pool.token1, amount, limit_x96=limit_x96))
    assert slot0(chain, pool).sqrt_price_x96 == limit_x96


def test_exact_out_gives_exactly_that(chain: Chain, world: World, pool: DevnetPool) -> None:
    trader = world.accounts.traders[0]
    before = balance(chain, pool.token0, trader)
    chain.execute(actions.swap_exact_out(world, trader, pool, pool.token1, 10**9))
    assert balance(chain, pool.token0, trader) - before == 10**9


def test_swaps_together_are_one_transaction(chain: Chain, world: World, pool: DevnetPool) -> None:
    trader = world.accounts.traders[0]
    swaps = [actions.swap_exact_in(world, trader, pool, pool.token0, 10**9) for _ in range(3)]
    (receipt,) = chain.execute(actions.swaps_together(world, swaps))
    assert [log.address for log in receipt.logs].count(pool.address) == len(swaps)


def test_wrapping_and_unwrapping_balance_out(chain: Chain, world: World) -> None:
    owner = world.accounts.owners[0]
    before = balance(chain, world.weth, owner)
    chain.execute(actions.wrap(world, owner, 7))
    assert balance(chain, world.weth, owner) == before + 7
    chain.execute(actions.unwrap(world, owner, 7))
    assert balance(chain, world.weth, owner) == before


def test_a_flash_pays_its_fee(chain: Chain, world: World, pool: DevnetPool) -> None:
    sender = world.accounts.spare[0]
    (receipt,) = chain.execute(direct_calls.flash(world, sender, pool, (10**6, 10**12)))
    (flash,) = (log for log in receipt.logs if log.topics[0] == event_topic(_POOL, "Flash"))
    words = [int(flash.data[2 + 64 * i : 66 + 64 * i], 16) for i in range(4)]
    fees = [-(-amount * pool.fee_pips // 10**6) for amount in (10**6, 10**12)]
    assert words == [10**6, 10**12, *fees]


def test_direct_swaps_take_both_directions_and_kinds(chain: Chain, world: World, pool: DevnetPool) -> None:
    sender = world.accounts.spare[0]
    for zero_for_one in (True, False):
        for amount in (10**9, -(10**9)):
            swap = direct_calls.swap_directly(world, sender, pool, zero_for_one=zero_for_one, amount=amount)
            (receipt,) = chain.execute(swap)
            assert event_topic(_POOL, "Swap") in [log.topics[0] for log in receipt.logs]


def test_a_direct_position_pays_back(chain: Chain, world: World, pool: DevnetPool) -> None:
    sender = world.accounts.spare[0]
    ticks = range_around(chain, pool, -300, 300)
    before = balance(chain, world.weth, world.callee)
    chain.execute(direct_calls.mint_directly(world, sender, pool, ticks, 10**15))
    assert balance(chain, world.weth, world.callee) < before
    chain.execute(
        direct_calls.burn_directly(world, sender, pool, ticks, 10**15),
        direct_calls.collect_directly(world, sender, pool, ticks, actions.EVERYTHING),
    )
    assert before - balance(chain, world.weth, world.callee) <= 1, "rounded for the pool once"


def test_the_protocol_takes_its_share(chain: Chain, world: World, pool: DevnetPool) -> None:
    chain.execute(actions.set_protocol_fee(world, pool, 4, 10))
    assert slot0(chain, pool).fee_protocol == 4 + (10 << 4)
    trader = world.accounts.traders[0]
    chain.execute(actions.swap_exact_in(world, trader, pool, world.weth, 10**18))
    (receipt,) = chain.execute(actions.collect_protocol(world, pool, trader))
    assert event_topic(_POOL, "CollectProtocol") in [log.topics[0] for log in receipt.logs]


def test_a_world_is_read_back_as_it_was_saved(world: World, tmp_path: Path) -> None:
    world.save(tmp_path / "world.json")
    assert load_world(tmp_path / "world.json") == world


def test_every_event_of_the_pool_has_an_interface() -> None:
    names = {entry["name"] for entry in load_abi("uniswap-v3", "UniswapV3Pool") if entry["type"] == "event"}
    assert {
        "Initialize",
        "Mint",
        "Burn",
        "Swap",
        "Collect",
        "Flash",
        "CollectProtocol",
        "SetFeeProtocol",
    } <= names
