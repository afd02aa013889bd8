"""A hedge with low health on both versions of Aave's bytecode: its range secures it, and a waiting plan makes way, within the signer's limits."""

from itertools import pairwise

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HEDGE, HedgedDesk, steps_of

from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.outcomes import Done, Left
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from streams.devnet import actions
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

FLOOR = HEDGE.floor_bps / 10_000 * 1.3
"""After the gap health is then at the floor."""
HALF = 1 + (HEDGE.act_bps - 10_000) / 20_000
"""Below it no collateral may be taken out that health rests on."""


def liquidity_of(desk: HedgedDesk) -> int:
    found = desk.shard.tables.group(f"position/{desk.world.position_manager}", NftPosition)
    return sum(each.liquidity for _, each in found if each.owner == desk.owner)


@pytest.mark.parametrize("moves", ["the oracle", "oracle and pool"])
def test_an_account_with_an_empty_wallet_comes_back_above_the_floor_from_its_range(
    chain: Chain, world: World, market: AaveContracts, moves: str
) -> None:
    desk = HedgedDesk(chain, world, market)
    desk.settle(14)
    assert desk.health() > FLOOR
    liquidity, owed = liquidity_of(desk), desk.owed()
    taker, tokens = world.accounts.traders[1], (market.weth.asset, market.usdc.asset)
    desk.settle(
        1, *(actions.transfer(each, desk.owner, taker, balance(chain, each, desk.owner)) for each in tokens)
    )
    opened, done = len(desk.said(PlanOpened)), len(desk.done)
    if moves == "the oracle":
        desk.tell_the_oracle(150)
    else:
        desk.jump(4_400)
    low = desk.health()
    assert 1 < low < HALF
    seen = [low]
    for _ in range(14):
        desk.block()
        seen.append(desk.health())
        if seen[-1] >= FLOOR - 0.001:
            break
    plans = desk.said(PlanOpened)[opened:]
    assert {(each.trigger, each.goal.terms["move"]) for each in plans} == {
        ("health_low", "secure_from_range")
    }
    assert steps_of(desk, done) == ["free", "repay", "supply"][: len(steps_of(desk, done))]
    assert all(after >= before - 1e-6 for before, after in pairwise(seen))
    assert seen[-1] >= FLOOR - 0.001, "interest alone is missing"
    assert 0 < liquidity_of(desk) < liquidity
    assert desk.owed() < owed
    assert not desk.refusals, "liquidity is taken out while the mean lags behind a pool that has jumped"
    assert len(seen) <= 6, (
        "as soon where the pool has jumped as where the oracle alone has: by the fifth block"
    )
    desk.settle(3)
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert desk.allowed() == [0] * 4
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert not desk.said(Quarantined)


def test_a_step_that_waits_for_its_price_after_a_jump_makes_way_at_once(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    """What was borrowed is not sold yet: the mean has to follow first, and repaying waits for no price."""
    desk = HedgedDesk(chain, world, market)
    desk.until(lambda: "borrow" in [each.step for each in desk.done])
    jumped_at, (step,) = chain.header().number + 1, desk.said(PlanOpened)
    desk.jump(4_400)
    assert 1 < desk.health() < HEDGE.act_bps / 10_000
    desk.until(lambda: len(desk.said(PlanOpened)) == 2)
    (end,), secures = desk.said(PlanClosed), desk.said(PlanOpened)[1]
    assert (end.plan, end.outcome) == (step.plan, Left(phase="sell", reason="health_low"))
    assert secures.trigger == "health_low"
    assert secures.because_of.block == end.because_of.block
    assert secures.because_of.block.number - jumped_at <= 2, "what was sent before is seen to its end"
    desk.until(lambda: desk.health() >= FLOOR - 0.001, most=6)
    desk.until(lambda: not desk.is_acting)
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert not desk.said(Quarantined)
