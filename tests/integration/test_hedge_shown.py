"""`evenkeel hedge` shows a loan on Aave V3, both versions, with the chain's own liquidation price."""

import json

import pytest
from aave_world import USD, aave_policy
from followed import Followed, node_of
from hedged_desk import HEDGE, HedgedDesk, hedged_book
from msgspec.structs import replace

from pipeline.hedge.debt_in_pair import distance
from pipeline.hedge.liquidation import Horizon, probability_of_liquidation
from pipeline.messages.events import PolicySet
from pipeline.messages.hedge import AutoRatio
from pipeline.units import Bps
from streams.cli.hedge import as_object, chances, lending_accounts_of, print_hedges, with_wallet
from streams.cli.hedged_books import shown_of
from streams.devnet import aave
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import ask
from streams.devnet.world import World
from streams.ended_hedges import unwound
from streams.look.fold_once import book_in_memory

pytestmark = pytest.mark.anvil

RAY = 10**27
LIQUIDITY_RATE, BORROW_RATE = 2, 4
"""Places in what a pool tells of a reserve."""


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
    (shown,) = lending_accounts_of(book)
    *_, health_wad = ask(chain, market.pool, aave.ACCOUNT_DATA, owner)
    assert shown.held.health_wad == health_wad
    assert shown.pair.position.health(shown.pair.price) == pytest.approx(health_wad / 10**18, rel=1e-3)
    at = shown.pair.position.liquidation_price()
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
    assert told["lending_accounts"][0]["liquidated_at"] == pytest.approx(at)

    assert health_at(chain, market, owner, at * 0.9995) > 1 > health_at(chain, market, owner, at * 1.0005)
    await followed.node.close()


@pytest.mark.parametrize("deploy", [deploy_aave_v3_0, deploy_aave_v3_6], ids=["3.0", "3.6"])
def test_an_automatic_hedge_is_taken_on_and_shown_as_the_chain_has_it(
    chain: Chain, world: World, cache, deploy
) -> None:
    """Judged by its signer and mined; at 120 % a year less than a quarter of the wallet's quote bears a ratio of 1."""
    market = deploy(chain, world, cache=cache)
    desk = HedgedDesk(chain, world, market)
    hedge = replace(HEDGE, auto=AutoRatio(volatility_bps=12_000, alpha_bps=Bps(50)))
    desk.append(PolicySet(policy=hedged_book(world, market, desk.owner, hedge)))
    desk.settle(14)
    assert desk.refusals == []
    book = book_in_memory(desk.shard)
    shown, (loan,) = shown_of(book), lending_accounts_of(book)
    assert (shown.size, shown.collateral) == (desk.owed(), desk.secured())
    assert 0 < shown.wanted_ratio_bps < 10_000
    assert abs(shown.net_base - shown.target_base) <= shown.act_at
    horizon = Horizon(1.2, 90 / 365.25)
    assert probability_of_liquidation(*with_wallet(loan, loan.pair), horizon) <= 0.005
    borrowed, supplied = (
        ask(chain, market.pool, aave.RESERVE_DATA, each.asset) for each in (market.weth, market.usdc)
    )
    assert shown.pays_base == -(-desk.owed() * borrowed[BORROW_RATE] // RAY)
    assert shown.earns == desk.secured() * supplied[LIQUIDITY_RATE] // RAY
    assert shown.pays_base > 0, "a rate of nothing would show nothing"

    # nobody has chosen to take it back: an operator does
    desk.append(PolicySet(policy=unwound(desk.book)))
    desk.settle(20)
    assert (desk.owed(), desk.secured()) == (0, 0)
    assert desk.allowed() == [0, 0, 0, 0]
    assert shown_of(book_in_memory(desk.shard)).health_bps is None
