"""An account at Aave V3, both versions, on a devnet is followed from logs, to the last unit at every block."""

from collections import Counter
from pathlib import Path

import pytest
from aave_world import ACTIONS, ETHER, USD, Crowd, aave_policy, is_as_on_the_chain, ours
from followed import TERM, Followed, node_of

from pipeline.messages.base import BlockRef
from pipeline.messages.events import BlocksReverted
from pipeline.messages.views import BookView
from pipeline.venues.aave_v3.forms import AaveAccount, aave_account
from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.deployer import Deployer
from streams.devnet.world import World
from streams.verify import Verdict, against_the_chain

pytestmark = pytest.mark.anvil

VERSIONS = {"3.0": deploy_aave_v3_0, "3.6": deploy_aave_v3_6}
BLOCKS = 220


@pytest.fixture(params=list(VERSIONS))
def market(request: pytest.FixtureRequest, chain: Chain, world: World, cache: Path) -> AaveContracts:
    return VERSIONS[request.param](chain, world, cache=cache)


async def following(chain: Chain, world: World, market: AaveContracts, owner: str) -> Followed:
    policy = aave_policy(world, market, owner, int(chain.rpc("eth_chainId"), 16))
    followed = Followed(node_of(chain.url), policy)
    await followed.begin()
    return followed


async def reorganise(chain: Chain, followed: Followed, depth: int, crowd: Crowd) -> None:
    """Take blocks away and put one more in their place, in which the crowd does other things."""
    fork = chain.header().number - depth
    dropped = [each for each in followed.shard.tables.sealed_blocks() if each.number > fork]
    head = chain.rollback(depth)
    to = BlockRef(
        number=head.number, hash=head.hash, parent_hash=head.parent_hash, timestamp_s=head.timestamp_s
    )
    for _ in range(depth + 1):
        crowd.step()
    followed.take(BlocksReverted(term=TERM, to=to, reverted=tuple(each.hash for each in dropped)))
    await followed.catch_up()


async def test_a_walk_is_followed_to_the_last_unit(chain: Chain, world: World, market: AaveContracts) -> None:
    owner = world.accounts.owners[0]
    chain.execute(aave.supply(market, owner, market.usdc.asset, 500_000 * USD))
    followed = await following(chain, world, market, owner)
    crowd, reorgs = Crowd(chain, world, market, owner, seed=7), Counter[int]()
    first = chain.header().number
    while chain.header().number < first + BLOCKS:
        if chain.header().number > first + 12 and crowd.chance.random() < 0.06:
            depth = crowd.chance.randint(1, 10)
            reorgs[depth] += 1
            await reorganise(chain, followed, depth, crowd)
        else:
            crowd.step()
            await followed.catch_up()
        is_as_on_the_chain(followed, chain, market, owner)
    verdict = Verdict()
    await against_the_chain(followed.node, followed.shard, verdict)
    await followed.node.close()
    assert verdict.wrong == []
    assert {*crowd.done} == {*ACTIONS}
    assert reorgs.total() >= 8


def book_view(followed: Followed) -> BookView:
    return [said for said in followed.said if isinstance(said, BookView)][-1]


async def test_a_book_counts_collateral_and_debt(chain: Chain, world: World, market: AaveContracts) -> None:
    owner = world.accounts.owners[1]
    chain.execute(aave.supply(market, owner, market.usdc.asset, 500_000 * USD))
    followed = await following(chain, world, market, owner)
    chain.execute(aave.borrow(market, owner, market.weth.asset, 50 * 10**18))
    for _ in range(3):
        chain.mine()
        await followed.catch_up()
        held = ours(followed, market, owner)["positions"]
        told = {h.token: (h.collateral, h.debt) for h in book_view(followed).holdings}
        assert told[market.usdc.asset][0] == held[market.usdc.asset][0]
        assert told[market.weth.asset][1] == -held[market.weth.asset][1]
    await followed.node.close()


# ------------------------------------------------------------------ liquidations, as each version closes debts
PART_OF_A_DEBT = {"3.0": 0.5, "3.6": 0.656}
"""Of the larger of two debts, 76.2 % of the whole: 3.6 takes half of the whole from it."""
OF_A_SMALL_DEBT = {"3.0": 0.5, "3.6": 1.0}


async def closed_by_liquidation(
    chain: Chain, followed: Followed, market: AaveContracts, helper: str, price_usd: float
) -> tuple[float, float]:
    """Move the price, let somebody liquidate as much as allowed, and return the health before and the closed part."""
    owner, weth = followed.policy.owner, market.weth.asset
    chain.execute(aave.set_price(market, helper, weth, int(price_usd * aave.BASE_UNIT)))
    await followed.catch_up()
    before = ours(followed, market, owner)
    tx = aave.liquidate(market, helper, owner, collateral=market.usdc.asset, debt=weth, amount=aave.MOST)
    chain.execute(tx)
    await followed.catch_up()
    is_as_on_the_chain(followed, chain, market, owner)
    after = ours(followed, market, owner)["positions"].get(weth, (0, 0))
    return before["data"].health_wad / ETHER, 1 - after[1] / before["positions"][weth][1]


@pytest.mark.parametrize(("price_usd", "health"), [(3_087.5, 0.9873), (3_343.5, 0.9286)])
async def test_a_liquidation_closes_what_the_health_factor_lets_it(
    chain: Chain, world: World, market: AaveContracts, price_usd: float, health: float
) -> None:
    owner, weth, usdc = world.accounts.owners[2], market.weth.asset, market.usdc.asset
    chain.execute(
        aave.set_price(market, owner, weth, 2_850 * aave.BASE_UNIT),
        aave.supply(market, owner, usdc, 100_000 * USD),
        aave.borrow(market, owner, weth, 20 * ETHER),
        aave.borrow(market, owner, usdc, 19_280 * USD),
    )
    followed = await following(chain, world, market, owner)
    chain.mine()
    before, closed = await closed_by_liquidation(
        chain, followed, market, world.accounts.traders[0], price_usd
    )
    await followed.node.close()
    assert before == pytest.approx(health, abs=0.0001)
    assert closed == pytest.approx(PART_OF_A_DEBT[market.version] if health > 0.95 else 1.0, abs=0.0005)


async def test_a_small_debt_is_closed_whole_in_v3_6(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    owner, weth, usdc = world.accounts.owners[2], market.weth.asset, market.usdc.asset
    chain.execute(
        aave.set_price(market, owner, weth, 2_800 * aave.BASE_UNIT),
        aave.supply(market, owner, usdc, 1_852_500_000),
        aave.borrow(market, owner, weth, ETHER // 2),
    )
    followed = await following(chain, world, market, owner)
    chain.mine()
    before, closed = await closed_by_liquidation(chain, followed, market, world.accounts.traders[0], 3_000)
    await followed.node.close()
    assert before == pytest.approx(0.988, abs=0.0001)
    assert closed == pytest.approx(OF_A_SMALL_DEBT[market.version], abs=0.0005)


# ------------------------------------------------------------------ configurations
def _calls(market: AaveContracts, source: str) -> list[tuple[str, tuple[object, ...]]]:
    """What governance does: each is read again at its block. A category of e-mode in 3.0 has a price of its own."""
    weth, usdc = market.weth.asset, market.usdc.asset
    common: list[tuple[str, tuple[object, ...]]] = [
        ("setReserveFactor", (weth, 2_500)),
        ("setBorrowCap", (weth, 4_000)),
        ("setSupplyCap", (usdc, 90_000_000)),
        ("configureReserveAsCollateral", (usdc, 7_000, 7_900, 10_450)),
    ]
    emode: list[tuple[str, tuple[object, ...]]] = (
        [
            ("setEModeCategory", (1, 9_000, 9_300, 10_100, source, "alike")),
            ("setAssetEModeCategory", (usdc, 1)),
            ("setAssetEModeCategory", (weth, 1)),
        ]
        if market.version == "3.0"
        else [
            ("setEModeCategory", (1, 9_000, 9_300, 10_100, "alike")),
            ("setAssetCollateralInEMode", (usdc, 1, True)),
            ("setAssetBorrowableInEMode", (weth, 1, True)),
        ]
    )
    return [*common, *emode, ("setReserveFreeze", (usdc, True)), ("setReserveFreeze", (usdc, False))]


async def test_configurations_and_e_modes_are_read_again_at_their_block(
    chain: Chain, world: World, market: AaveContracts, cache: Path
) -> None:
    owner, weth, usdc = world.accounts.owners[3], market.weth.asset, market.usdc.asset
    governance = Deployer(chain, market.admin, cache)
    source = world.accounts.spare[0]
    chain.execute(
        aave.set_price(market, owner, source, 2 * aave.BASE_UNIT),
        aave.supply(market, owner, usdc, 200_000 * USD),
        aave.borrow(market, owner, weth, 10 * ETHER),
    )
    followed = await following(chain, world, market, owner)
    seen = set()
    for name, arguments in _calls(market, source):
        governance.call(
            market.configurator,
            f"aave-v{market.version.replace('.', '-')}/PoolConfigurator",
            name,
            *arguments,
        )
        await followed.catch_up()
        is_as_on_the_chain(followed, chain, market, owner)
        seen.add(str(ours(followed, market, owner)["data"]))
        if name.startswith("setAsset"):
            chain.send(aave.set_emode(market, owner, 1))
            chain.mine()
            await followed.catch_up()
            chain.mine()  # the first block that tells the price of the category's source
            await followed.catch_up()
            is_as_on_the_chain(followed, chain, market, owner)
            seen.add(str(ours(followed, market, owner)["data"]))
    account = followed.shard.tables.need(aave_account(market.pool, owner), AaveAccount)
    await followed.node.close()
    assert account.emode is not None
    assert account.emode.category == 1
    assert account.emode_price_source == (source if market.version == "3.0" else None)
    assert len(seen) > 5
