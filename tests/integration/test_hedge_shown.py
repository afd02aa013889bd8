"""What `evenkeel hedge` shows of a loan on Aave V3, both versions: the price at which liquidation comes is the chain's."""

import json

import pytest
from aave_world import USD, aave_policy
from followed import Followed, node_of

from pipeline.hedge.loan_in_pair import distance
from streams.cli.hedge import as_object, chances, loans_of, print_hedges
from streams.devnet import aave
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import ask
from streams.devnet.world import World
from streams.look.fold_once import book_in_memory

pytestmark = pytest.mark.anvil


def health_at(chain: Chain, market, owner: str, price: float) -> float:
    """Ask the pool for the health factor at another price of WETH."""
    chain.execute(aave.set_price(market, owner, market.weth.asset, int(price * aave.BASE_UNIT)))
    *_, health_wad = ask(chain, market.pool, aave.ACCOUNT_DATA, owner)
    return health_wad / 10**18


@pytest.mark.parametrize("deploy", [deploy_aave_v3_0, deploy_aave_v3_6], ids=["3.0", "3.6"])
async def test_a_loans_liquidation_comes_at_the_price_that_is_shown(
    chain: Chain, world: World, cache, capsys, deploy
) -> None:
    market = deploy(chain, world, cache=cache)
    owner = world.accounts.owners[0]
    chain.execute(
        aave.supply(market, owner, market.usdc.asset, 500_000 * USD),
        aave.borrow(market, owner, market.weth.asset, 80 * 10**18),
    )
    policy = aave_policy(world, market, owner, int(chain.rpc("eth_chainId"), 16))
    followed = Followed(node_of(chain.url), policy)
    await followed.begin()
    chain.mine()
    await followed.catch_up()
    book = book_in_memory(followed.shard)
    (shown,) = loans_of(book)
    *_, health_wad = ask(chain, market.pool, aave.ACCOUNT_DATA, owner)
    assert shown.held.health_wad == health_wad
    assert shown.pair.loan.health(shown.pair.price) == pytest.approx(health_wad / 10**18, rel=1e-3)
    at = shown.pair.loan.liquidation_price()
    assert distance(shown.pair) == pytest.approx(at / 3_000 - 1)
    likely = chances(shown.pair, 0.6)
    assert 0 < likely[1] < likely[2] < 1

    capsys.readouterr()
    print_hedges([book], 0.6)
    out = capsys.readouterr().out
    assert f"{health_wad / 10**18:.4f}" in out
    assert f"{at:.6g}" in out
    told = json.loads(json.dumps(as_object(book, 0.6)))
    weth = next(each for each in told["exposures"] if each["token"] == market.weth.asset)
    held = shown.held.assets
    assert int(weth["debt"]) == -next(each.debt for each in held if each.token == market.weth.asset)
    assert int(weth["net"]) == sum(int(weth[name]) for name in ("held", "collateral", "debt"))
    assert told["loans"][0]["liquidated_at"] == pytest.approx(at)

    assert health_at(chain, market, owner, at * 0.9995) > 1 > health_at(chain, market, owner, at * 1.0005)
    await followed.node.close()
