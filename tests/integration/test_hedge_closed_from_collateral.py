"""A hedge that is ended with an empty wallet, on both versions of Aave's bytecode: collateral buys what is owed, by what the signer allows."""

from itertools import pairwise

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HEDGE, HedgedDesk, steps_of

from pipeline.messages.account_alerts import HealthLow
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done
from streams.devnet import actions
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.ended_hedges import unwound

pytestmark = pytest.mark.anvil


def test_an_empty_wallet_ends_its_hedge_out_of_collateral_in_rounds(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk = HedgedDesk(chain, world, market)
    desk.settle(14)
    owed, taker = desk.owed(), world.accounts.traders[1]
    assert owed > 0
    tokens = (market.weth.asset, market.usdc.asset)
    desk.settle(
        1, *(actions.transfer(each, desk.owner, taker, balance(chain, each, desk.owner)) for each in tokens)
    )
    opened, done = len(desk.said(PlanOpened)), len(desk.done)
    desk.append(PolicySet(policy=unwound(desk.book)))
    seen = []
    for _ in range(60):
        desk.block()
        if not desk.owed():
            break
        seen.append((desk.owed(), desk.health()))
    desk.until(lambda: not desk.secured())
    desk.until(lambda: not desk.is_acting)

    moves = [each.goal.terms["move"] for each in desk.said(PlanOpened)[opened:]]
    assert moves[-1] == "close"
    assert moves.count("close_from_collateral") >= 2, "health lets no plan take all that it costs"
    assert steps_of(desk, done)[:3] == ["withdraw", "buy", "repay"]
    assert steps_of(desk, done)[-1] == "withdraw"
    assert min(health for _, health in seen) >= HEDGE.warn_bps / 10_000
    debts = [each for each, _ in seen]
    assert all(after <= before * 1_001 // 1_000 for before, after in pairwise(debts))
    assert (desk.owed(), desk.secured()) == (0, 0)
    assert desk.allowed() == [0] * 4
    assert balance(chain, market.usdc.asset, desk.owner) > 0, (
        "what is left of the collateral is the owner's again"
    )
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert desk.refusals == [], "the signer lets all of it pass at its floor"
    assert not desk.said(StepRefused)
    assert not desk.said(HealthLow)
    assert all(each.outcome == Done() for each in desk.said(PlanClosed))
    assert not desk.said(Quarantined)
