"""A hedge that WBTC secures, on both versions of Aave's bytecode, from opening to end, within the signer's limits."""

from pathlib import Path

import pytest
from aave_world import is_as_on_the_chain
from followed import node_of
from hedged_desk import DEPLOY, steps_of
from msgspec.structs import replace
from wbtc_desk import KEPT_WBTC, WbtcDesk

from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.ended_hedges import unwound
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.venues.registry import hedge_faults

pytestmark = pytest.mark.anvil


@pytest.fixture(params=list(DEPLOY))
def desk(request: pytest.FixtureRequest, chain: Chain, world: World, cache: Path) -> WbtcDesk:
    made = WbtcDesk(chain, world, request.param, cache)
    made.until(lambda: made.said(PlanClosed))
    assert [each.outcome for each in made.said(PlanClosed)] == [Done()]
    return made


def wallet(desk: WbtcDesk, token: str) -> int:
    return balance(desk.chain, token, desk.owner)


def test_it_is_taken_on_secured_and_unwound_with_collateral_of_other_decimals(desk: WbtcDesk) -> None:
    assert steps_of(desk) == ["supply", "borrow", "sell"]
    assert desk.is_on_target(desk.book)
    assert desk.health() >= 1.1 * 1.3
    assert 0 < desk.secured() < KEPT_WBTC
    assert abs(wallet(desk, desk.wbtc) + desk.secured() - KEPT_WBTC) <= 10

    done = len(desk.done)
    desk.jump(3_750)
    assert desk.health() < 1.2
    desk.until(lambda: desk.health() >= 1.2, most=8)
    desk.until(lambda: not desk.is_acting)
    assert set(steps_of(desk, done)) == {"repay", "supply"}
    is_as_on_the_chain(desk, desk.chain, desk.market, desk.owner)

    desk.jump(3_000)
    desk.until(lambda: not desk.is_acting)
    desk.append(PolicySet(policy=unwound(desk.book)))
    desk.until(lambda: (desk.owed(), desk.secured()) == (0, 0))
    desk.until(lambda: not desk.is_acting)
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert desk.refusals == []
    assert desk.allowed() == [0] * 6
    assert abs(wallet(desk, desk.wbtc) - KEPT_WBTC) <= 100, "all of it is back, with interest"
    assert not desk.said(Quarantined)


def test_low_health_is_bought_back_with_the_wallets_dollars_once_the_mean_has_followed(
    desk: WbtcDesk,
) -> None:
    """Neither base nor WBTC is in the wallet: the dollars there buy what is repaid, and no collateral is sold."""
    taker, tokens = desk.world.accounts.traders[1], (desk.market.weth.asset, desk.wbtc)
    desk.settle(1, *(actions.transfer(each, desk.owner, taker, wallet(desk, each)) for each in tokens))
    opened, done, owed, secured = len(desk.said(PlanOpened)), len(desk.done), desk.owed(), desk.secured()
    desk.jump(3_750)
    assert 1 < desk.health() < 1.2
    desk.until(lambda: desk.health() >= 1.2, most=40)
    moves = [each.goal.terms["move"] for each in desk.said(PlanOpened)[opened:]]
    assert moves == ["secure_by_purchase"]
    assert steps_of(desk, done) == ["buy", "repay"]
    assert desk.owed() < owed
    assert desk.secured() >= secured
    assert desk.refusals == []


async def test_a_market_that_lends_nothing_against_it_is_named_by_field(desk: WbtcDesk) -> None:
    book, node = desk.book, node_of(desk.chain.url)
    try:
        reader = ContractReader(node, multicall=MULTICALL3, at=(await node.newest()).block.hash)
        assert [each async for each in hedge_faults(reader, book)] == []
        assert book.hedge
        elsewhere = replace(book, hedge=replace(book.hedge, collateral=desk.world.usdc_high))
        (fault,) = [each async for each in hedge_faults(reader, elsewhere)]
        assert (fault.field, fault.says) == (
            "collateral",
            f"lending has no reserve of {desk.world.usdc_high}, which is to secure the hedge",
        )
    finally:
        await node.close()
