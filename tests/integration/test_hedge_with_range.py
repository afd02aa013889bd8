"""A re-range and a step of the hedge in one plan, on both versions of Aave's bytecode: one trade, and a monotone net exposure."""

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HEDGE, HedgedDesk, hedged_book, steps_of
from hedged_play import ETHER, FAR
from msgspec.structs import replace

from pipeline.advance.books import stock_of
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, RebalanceProposed
from pipeline.messages.events import PolicySet
from pipeline.messages.goals import JointGoal
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import version_of
from pipeline.units import Bps, Seconds
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

DUST = ETHER // 10**6
"""Interest, and gas that the coin pays."""


@pytest.mark.parametrize(
    ("keeps_bps", "steps"),
    [
        ((1_000, 6_500), ["withdraw", "repay", "swap", "mint"]),
        ((700, 9_500), ["withdraw", "repay", "swap", "mint"]),
        ((1_650, 9_500), ["supply", "borrow", "withdraw", "swap", "mint"]),
    ],
)
def test_one_plan_moves_range_and_hedge_with_one_trade(
    chain: Chain, world: World, market: AaveContracts, keeps_bps: tuple[int, int], steps: list[str]
) -> None:
    """A target share of the ranges, and a ratio of the hedge, are another at once."""
    (share_bps, ratio_bps), desk = keeps_bps, HedgedDesk(chain, world, market)
    desk.settle(14)
    owed, opened, done = desk.owed(), len(desk.said(PlanOpened)), len(desk.done)
    assert owed > ETHER
    book = hedged_book(
        world, market, desk.owner, replace(HEDGE, ratio_bps=Bps(ratio_bps), cooldown_s=Seconds(10**6))
    )
    book = replace(book, strategy=replace(FAR, target_share_bps=Bps(share_bps), band_bps=Bps(150)))
    desk.append(PolicySet(policy=replace(book, policy_version=version_of(book))))
    nets = [stock_of(desk.shard, book).base_amount]
    for _ in range(24):
        desk.block()
        nets.append(stock_of(desk.shard, book).base_amount)
        if len(desk.said(PlanClosed)) > opened:
            break
    plan = desk.said(PlanOpened)[opened]
    assert isinstance(plan.goal, JointGoal)
    (proposed,) = [each for each in desk.said(RebalanceProposed) if each.id == plan.proposal]
    assert abs(desk.owed() - owed - proposed.base_to_borrow) <= DUST
    bought = nets[-1] - nets[0]
    assert abs(bought - proposed.base_to_buy) * 100 <= abs(proposed.base_to_buy) * 3
    assert steps_of(desk, done) == steps
    assert desk.said(PlanClosed)[-1].outcome == Done()
    low, high = min(nets[0], nets[-1]) - DUST, max(nets[0], nets[-1]) + DUST
    assert all(low <= net <= high for net in nets), nets
    assert desk.is_on_target(book)
    assert (desk.owed() > owed) == ("borrow" in steps)
    assert desk.refusals == []
    assert desk.allowed() == [0] * 4
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert not desk.said(Quarantined)
