"""A hedge whose sale reverts in every block, on both versions of Aave's bytecode: its borrowing is repaid after the configured time."""

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HEDGE, HedgedDesk, hedged_book, steps_of
from hedged_play import DOLLAR, ETHER
from msgspec.structs import replace

from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.policy import version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Seconds
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

COMPENSATES = replace(HEDGE, compensate_after_s=Seconds(36), cooldown_s=Seconds(240))


class RevertingDesk(HedgedDesk):
    """Sales are sent with too little gas, so that each is mined and reverts."""

    reverts = True
    reverted = 0

    def _act(self, intent: SubmitTransaction, behind=()) -> SubmitTransaction | None:  # type: ignore[no-untyped-def]
        if intent.step != "sell" or not self.reverts:
            return super()._act(intent, behind)
        self.reverted += 1
        return super()._act(replace(intent, call=replace(intent.call, gas_limit=60_000)), behind)


def test_what_was_borrowed_and_whose_sale_reverts_is_repaid_and_nothing_else_is_left(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk = RevertingDesk(chain, world, market)
    book = hedged_book(world, market, desk.owner, COMPENSATES)
    desk.append(PolicySet(policy=replace(book, policy_version=version_of(book))))
    desk.book = book
    purse = balance(chain, market.weth.asset, desk.owner)
    for _ in range(12):
        desk.block()
        if desk.owed():
            break
    borrowed_at = chain.header().timestamp_s
    assert desk.owed() > ETHER
    for _ in range(16):
        desk.block()
        if desk.owed() < ETHER // 10**4:
            break
    assert desk.reverted >= 2
    assert desk.owed() < ETHER // 10**4, "at most the interest of some blocks"
    waited_s = chain.header().timestamp_s - borrowed_at
    assert waited_s <= 192, "36 s, and a block for each transaction before and behind"
    assert abs(balance(chain, market.weth.asset, desk.owner) - purse) < ETHER // 10**4
    desk.settle(4)
    assert [type(each.outcome) for each in desk.said(PlanClosed)] == [Stalled, Done]
    assert [(each.trigger, each.goal.terms["move"]) for each in desk.said(PlanOpened)] == [
        ("net_outside_band", "up"),
        ("leg_failed", "take_back"),
    ]
    assert desk.said(PlanClosed)[0].outcome.phase == "sell"
    assert desk.allowed() == [0] * 4
    is_as_on_the_chain(desk, chain, market, desk.owner)

    # after its cooldown the same step is tried again
    desk.reverts = False
    desk.settle(26)
    assert steps_of(desk)[-1] == "sell"
    assert desk.owed() > ETHER
    assert desk.secured() > 1_000 * DOLLAR
    assert desk.is_on_target(book)
    assert not desk.said(Quarantined)
