"""The order flow is reproducible to the hash, keeps pools at the fair price, and shares its blocks."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

from pipeline.venues.abi import event_topic
from streams.devnet.actors import sqrt_price_x96
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import FlowSettings, OrderFlow
from streams.devnet.paths import PricePath, PriceSettings
from streams.devnet.reads import slot0
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

_POOL = "uniswap-v3/UniswapV3Pool"
BLOCKS = 60


def test_the_same_seed_gives_the_same_chain(
    built: tuple[World, Path, str], tmp_path: Path, cache: Path, chain: Chain
) -> None:
    world, state, _ = built
    with start_chain(tmp_path / "again", cache=cache, state=state) as again:
        flow, same = OrderFlow(chain, world, seed=5), OrderFlow(again, world, seed=5)
        assert [flow.block().hash for _ in range(BLOCKS)] == [same.block().hash for _ in range(BLOCKS)]


def test_another_seed_gives_another_chain(
    built: tuple[World, Path, str], tmp_path: Path, cache: Path, chain: Chain
) -> None:
    world, state, _ = built
    with start_chain(tmp_path / "other", cache=cache, state=state) as other:
        assert OrderFlow(chain, world, seed=5).block().hash != OrderFlow(other, world, seed=6).block().hash


def test_it_holds_all_kinds_of_events_and_quiet_blocks(chain: Chain, world: World) -> None:
    busy = FlowSettings(provider_chance=0.5)
    flow = OrderFlow(chain, world, seed=1, settings=busy)
    blocks = [flow.block() for _ in range(BLOCKS)]
    first, last = hex(blocks[0].number), hex(blocks[-1].number)
    logs = chain.rpc("eth_getLogs", {"fromBlock": first, "toBlock": last})
    seen = Counter((log["address"], log["topics"][0]) for log in logs)
    for pool in world.pools.values():
        assert seen[pool.address, event_topic(_POOL, "Swap")] > BLOCKS
    kinds = {topic for _, topic in seen}
    assert {event_topic(_POOL, name) for name in ("Swap", "Mint", "Burn", "Collect")} <= kinds
    assert any(block.gas_used == 0 for block in blocks)
    assert len({block.base_fee_wei for block in blocks}) == BLOCKS
    receipts = [r for block in blocks for r in chain.rpc("eth_getBlockReceipts", hex(block.number))]
    assert all(receipt["status"] == "0x1" for receipt in receipts)


def test_arbitrage_pulls_every_pool_to_the_fair_price(chain: Chain, world: World) -> None:
    only_arbitrage = FlowSettings(quiet_chance=0, arbitrage_chance=1, trades_per_pool=(0,), provider_chance=0)
    flow = OrderFlow(chain, world, seed=2, settings=only_arbitrage)
    for _ in range(10):
        flow.block()
        for pool in world.pools.values():
            fair_x96 = sqrt_price_x96(world, pool, flow.price_usdc)
            distance_pips = abs(slot0(chain, pool).sqrt_price_x96 - fair_x96) * 10**6 / fair_x96
            assert distance_pips <= pool.fee_pips / 2 + 1


def test_what_a_caller_queued_goes_first_into_the_same_block(chain: Chain, world: World) -> None:
    flow = OrderFlow(chain, world, seed=3)
    one, other, third = world.accounts.spare[:3]
    queued = chain.send(Tx(sender=one, to=third, value_wei=1))
    block = flow.block(Tx(sender=other, to=third, value_wei=2))
    mined = chain.rpc("eth_getBlockByNumber", hex(block.number), True)["transactions"]
    assert mined[0]["hash"] == queued
    assert [tx["value"] for tx in mined[:2]] == ["0x1", "0x2"]


def test_it_goes_on_after_a_rollback(chain: Chain, world: World) -> None:
    flow = OrderFlow(chain, world, seed=4)
    old = [flow.block() for _ in range(10)]
    fork = chain.rollback(5)
    new = [flow.block() for _ in range(7)]
    assert new[0].parent_hash == fork.hash == old[4].hash
    assert not {block.hash for block in new} & {block.hash for block in old}
    assert new[-1].number == old[-1].number + 2


def test_a_narrow_range_is_left_within_a_hundred_blocks() -> None:
    left = 0
    for seed in range(20):
        path = PricePath(seed, PriceSettings())
        start = path.price_usdc
        left += any(abs(path.step() / start - 1) > 0.02 for _ in range(100))
    assert left >= 16


def test_the_price_has_jumps() -> None:
    path = PricePath(0, PriceSettings(volatility_bps=1, jump_chance_bps=500, jump_bps=500))
    prices = [path.step() for _ in range(500)]
    jumps = [abs(after / before - 1) > 0.005 for before, after in itertools.pairwise(prices)]
    assert 5 < sum(jumps) < 50
