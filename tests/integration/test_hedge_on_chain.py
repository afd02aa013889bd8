"""The whole life of a hedge on both versions of Aave's bytecode: each transaction is checked by the signer's judge and sent by the owner."""

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HEDGE, HedgedDesk, hedged_book, steps_of
from hedged_play import DOLLAR, ETHER
from msgspec.structs import replace

from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done
from pipeline.units import Bps
from streams.devnet import actions
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.world import World

pytestmark = pytest.mark.anvil


def test_a_hedge_lives_from_its_first_borrowing_to_nothing(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk = HedgedDesk(chain, world, market)
    desk.settle(14)
    assert [each.trigger for each in desk.said(PlanOpened)] == ["net_outside_band"]
    assert steps_of(desk) == ["supply", "borrow", "sell"]
    assert desk.owed() > 10 * ETHER
    assert desk.is_on_target(desk.book)
    assert desk.health() >= 1.25 * 1.3 - 0.01
    is_as_on_the_chain(desk, chain, market, desk.owner)

    # the price rises by some 9 %: the range sells base, and the hedge becomes smaller
    began, owed = len(desk.done), desk.owed()
    pool, trader = world.pool("weth_usdc_low_500"), world.accounts.traders[0]
    desk.block(actions.swap_exact_in(world, trader, pool, market.usdc.asset, 1_000_000 * DOLLAR))
    desk.tell_the_oracle()
    desk.settle(30)
    assert steps_of(desk, began)[:2] == ["buy", "repay"]
    assert desk.owed() < owed
    assert desk.is_on_target(desk.book)
    is_as_on_the_chain(desk, chain, market, desk.owner)

    # the market's own price jumps: what is owed is secured out of the wallet, and nothing is traded
    began = len(desk.done)
    desk.tell_the_oracle(percent=140)
    assert desk.health() < 1.3
    desk.settle(8)
    assert set(steps_of(desk, began)) <= {"repay", "supply"}
    assert desk.health() >= 1.25 * 1.3 - 0.01
    is_as_on_the_chain(desk, chain, market, desk.owner)

    # nothing is to be hedged any more
    desk.tell_the_oracle()
    began, none = len(desk.done), hedged_book(world, market, desk.owner, replace(HEDGE, ratio_bps=Bps(0)))
    desk.append(PolicySet(policy=none))
    desk.settle(20)
    assert steps_of(desk, began) == ["buy", "repay", "withdraw"]
    assert (desk.owed(), desk.secured()) == (0, 0)
    assert desk.allowed() == [0, 0, 0, 0]
    is_as_on_the_chain(desk, chain, market, desk.owner)
    began = len(desk.done)
    desk.settle(5)
    assert len(desk.done) == began, "nothing is left to be done"

    assert desk.refusals == [], "the signer lets all of it pass"
    assert {type(each.outcome) for each in desk.said(PlanClosed)} == {Done}
    assert not desk.said(Quarantined)
