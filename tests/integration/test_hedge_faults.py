"""Reasons why a lending market cannot hedge a book are shown by field before the hedge is in force, on both versions' bytecode."""

import pytest
from followed import node_of
from hedged_desk import HEDGE, hedged_book
from msgspec.structs import replace

from pipeline.messages.policy import Policy
from pipeline.units import Bps
from pipeline.venues.abi import declared
from streams.cli.chain_checks import Asked
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.venues.registry import hedge_faults

pytestmark = pytest.mark.anvil


async def told(chain: Chain, book: Policy) -> list[tuple[str, str]]:
    node = node_of(chain.url)
    try:
        reader = ContractReader(node, multicall=MULTICALL3, at=(await node.newest()).block.hash)
        return [(fault.field, fault.says) async for fault in hedge_faults(reader, book)]
    finally:
        await node.close()


def configured(chain: Chain, market: AaveContracts, signature: str, *arguments: object) -> None:
    data = declared(signature).calldata(*arguments)
    chain.execute(Tx(sender=market.admin, to=market.configurator, data=data, gas=2_000_000))


async def test_what_the_market_never_allows_is_named_by_its_field(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    book = hedged_book(world, market, world.accounts.owners[0], HEDGE)
    assert await told(chain, book) == []
    other = replace(book, quote=world.usdc_high)
    assert await told(chain, other) == [
        ("collateral", f"lending has no reserve of {world.usdc_high}, which is to secure the hedge")
    ]
    assert await told(chain, replace(book, base=world.usdc_high)) == [
        ("venue", f"lending has no reserve of {world.usdc_high}, the base")
    ]
    ends = replace(other, hedge=replace(HEDGE, ratio_bps=Bps(0)))
    assert await told(chain, ends) == [], "what ends is not held back"

    configured(chain, market, "setReserveBorrowing(address,bool)", market.weth.asset, False)
    terms = (market.usdc.asset, 0, 8_000, 10_450)
    configured(chain, market, "configureReserveAsCollateral(address,uint256,uint256,uint256)", *terms)
    assert await told(chain, book) == [
        ("venue", "lending does not lend WETH, the base"),
        ("collateral", "lending lends nothing against USDC, which is to secure the hedge"),
    ]
    node = node_of(chain.url)
    try:
        asked = Asked(node, (await node.newest()).block)
        found = [problem async for problem in asked.problems(book, ("books", 0))]
    finally:
        await node.close()
    assert [each.path for each in found if "hedge" in each.path] == [
        ("books", 0, "hedge", "venue"),
        ("books", 0, "hedge", "collateral"),
    ], "as `check` and `apply` say it"


async def test_what_is_no_market_is_named(chain: Chain, world: World, market: AaveContracts) -> None:
    elsewhere = replace(market, pool=market.oracle)
    ((field, says),) = await told(chain, hedged_book(world, elsewhere, world.accounts.owners[0], HEDGE))
    assert field == "venue"
    assert says.startswith("lending does not answer as a pool of Aave V3")
