"""A liquidated hedge on both versions of Aave's bytecode: published, accounted, and paused until its operator resumes it."""

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HedgedDesk
from hedged_play import DOLLAR, ETHER

from pipeline import keys
from pipeline.advance.books import stock_of
from pipeline.messages.account_alerts import AccountLiquidated, HealthLow
from pipeline.messages.decisions import Declined, PlanOpened, Quarantined
from pipeline.messages.events import Resumed
from pipeline.units import Address
from streams.devnet import aave
from streams.devnet.aave import COLLATERAL_BPS, AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.world import World

pytestmark = pytest.mark.anvil


@pytest.mark.parametrize("in_atokens", [False, True])
def test_a_liquidation_is_accounted_and_pauses_the_book_until_it_is_resumed(
    chain: Chain, world: World, market: AaveContracts, *, in_atokens: bool
) -> None:
    desk = HedgedDesk(chain, world, market)
    desk.settle(14)
    assert desk.health() > 1.6
    helper, weth, usdc = world.accounts.traders[0], market.weth.asset, market.usdc.asset
    owed, secured, opened = desk.owed(), desk.secured(), len(desk.said(PlanOpened))
    price = stock_of(desk.shard, desk.book).prices[Address(weth)].value(ETHER)
    jumped = price * aave.BASE_UNIT // DOLLAR * 168 // 100
    desk.block(
        aave.set_price(market, helper, weth, jumped),
        aave.liquidate(
            market, helper, desk.owner, collateral=usdc, debt=weth, amount=aave.MOST, in_atokens=in_atokens
        ),
    )
    (said,) = desk.said(AccountLiquidated)
    repaid, seized = owed - desk.owed(), secured - desk.secured()
    assert (said.liquidator, said.repaid.token, said.seized.token) == (helper, weth, usdc)
    assert 0 <= said.repaid.amount - repaid < 10**13, "the block's interest was added to what is owed"
    assert abs(said.repaid.amount / owed - 0.5) < 0.001
    assert -2 <= said.seized.amount - seized < DOLLAR, "and to what secures it"
    assert said.bonus is not None
    worth = said.seized.amount - said.bonus
    assert abs(said.bonus / worth - (COLLATERAL_BPS["USDC"][2] / 10_000 - 1)) < 1e-6
    assert [each.amount for each in said.debt_left] == [desk.owed()]
    assert [each.amount for each in said.collateral_left] == [desk.secured()]
    assert said.health_bps == int(desk.health() * 10_000)

    desk.settle(4)
    assert [each.act_bps for each in desk.said(HealthLow)] == [13_000]
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert len(desk.said(PlanOpened)) == opened, "nothing is begun"
    assert "liquidated" in {each.reason for each in desk.said(Declined)}
    desk.append(Resumed(scope=keys.book(desk.book.book), reason="looked at", by="me"))
    desk.settle(12)
    assert len(desk.said(PlanOpened)) > opened
    assert desk.health() >= 1.3
    assert not desk.said(Quarantined)
