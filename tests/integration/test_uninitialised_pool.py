"""A pool that was never initialised as a book's reference: its price is 0, and nothing else stops."""

import pytest
from chain_desk import ChainDesk, book_on
from msgspec.structs import replace

from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.decisions import Declined, Quarantined, RebalanceProposed, ShardHalted
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.forms.entries import Pool
from streams.devnet.chain import Chain
from streams.devnet.reads import read
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

FEE_PIPS = 10_000
FACTORY, POOL = "uniswap-v3/UniswapV3Factory", "uniswap-v3/UniswapV3Pool"


@pytest.mark.parametrize("name", ["weth_usdc_low_500", "weth_usdc_high_500"])
@pytest.mark.parametrize("mode", ["dry-run", "live"])
def test_it_declines_until_somebody_initialises_the_pool(
    chain: Chain, world: World, name: str, mode: str
) -> None:
    """Base on either side: with base as token1 the division would be by another number."""
    known, owner, deployer = world.pool(name), world.accounts.owners[0], world.accounts.deployer
    usdc = world.usdc_of(known)
    make = function(FACTORY, "createPool").calldata(world.weth, usdc, FEE_PIPS)
    chain.execute(Tx(sender=deployer, to=world.factory, data=make, gas=8_000_000))
    pool = read(chain, world.factory, FACTORY, "getPool", world.weth, usdc, FEE_PIPS).lower()
    book = book_on(world, known, owner, mode=mode)
    desk = ChainDesk(chain, world, replace(book, reference_pool=pool, pools=(pool, known.address)))
    for _ in range(4):
        desk.block()
    assert desk.shard.tables.need(f"pool/{pool}", Pool).sqrt_price_x96 == 0
    assert not desk.said(Quarantined), desk.said(Quarantined)[0].reason
    assert desk.said(Declined)[-1].reason == "no_price"
    assert not desk.said(RebalanceProposed)
    assert not desk.said(Quarantined)
    price = function(POOL, "initialize").calldata(
        sqrt_price_at_tick(desk.shard.tables.need(f"pool/{known.address}", Pool).tick)
    )
    desk.block(Tx(sender=deployer, to=pool, data=price, gas=500_000))
    for _ in range(3):
        desk.block()
    assert desk.shard.tables.need(f"pool/{pool}", Pool).sqrt_price_x96 > 0
    assert desk.said(Declined)[-1].reason != "no_price"
    assert not desk.said(ShardHalted)
