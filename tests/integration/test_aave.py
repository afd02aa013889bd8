"""Aave V3 on a devnet, both versions: an account is followed from logs, to the last unit at every block."""

from collections import Counter
from pathlib import Path

import pytest
from aave_world import USD, Crowd, aave_policy, is_as_on_the_chain, ours
from followed import TERM, Followed, node_of

from pipeline.messages.base import BlockRef
from pipeline.messages.events import BlocksReverted
from pipeline.messages.views import BookView
from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
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
    crowd, reorgs, last = Crowd(chain, world, market, owner, seed=4), Counter[int](), 0
    while chain.header().number < last + BLOCKS if last else True:
        last = last or chain.header().number
        if crowd.chance.random() < 0.06 and chain.header().number > last + 12:
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
    print(crowd.done, reorgs, verdict.compared)
    assert verdict.wrong == []


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
