"""The watcher on a real broker and a real chain: its log must always equal the chain."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from watching import (
    assert_equals_chain,
    deployment,
    own_chain_id,
    policy_of,
    watching,
)

from pipeline.messages.events import PolicySet
from pipeline.routes import Arrival
from pipeline.units import ChainId
from pipeline.wants import wanted
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.world import World


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain whose id, and so whose topics, no other test has."""
    folder = tmp_path / "chain"
    with start_chain(folder, cache=cache, state=built[1], chain_id=own_chain_id()) as running:
        yield running


pytestmark = [pytest.mark.kafka, pytest.mark.anvil]


async def test_bootstraps_then_follows_a_hundred_blocks(broker: Broker, chain: Chain, world: World) -> None:
    chain_id = ChainId(chain.chain_id)
    async with deployment(broker.bootstrap_servers, chain_id) as log:
        owner = world.accounts.owners[0]
        policy = policy_of(world, chain_id, "one", owner, ["weth_usdc_low_500"])
        shard = await log.set_policy(PolicySet(policy=policy), "one")
        flow = OrderFlow(chain, world, seed=1)
        async with watching(broker.bootstrap_servers, chain_id, chain.url):
            fold = await log.until(shard, lambda fold: fold.tables.head and not wanted(fold.tables))
            for _ in range(100):
                await asyncio.to_thread(flow.block)
            fold = await log.until_head(shard, chain.header().hash)
        assert assert_equals_chain(fold, chain) >= 100
        assert fold.count(Arrival.APPLIES) == len(fold.arrivals)
