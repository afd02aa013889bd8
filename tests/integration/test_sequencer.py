"""A book on anvil with an uptime feed, which is read with each block; shard and signer obey it independently."""

import pytest
from chain_desk import ChainDesk
from chain_plans import allowances, desk_on, push, until_closed, until_pending
from msgspec.structs import replace
from uptime import DOWN, FEED, GRACE_S, UP, by_the_sequencer, place_uptime

from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, PlanStalled, RebalanceProposed
from pipeline.messages.events import BlockSeen, PolicySet
from pipeline.messages.outcomes import Done
from pipeline.messages.read_values import UptimeRead
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Seconds
from streams.devnet.chain import Chain
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

POOL = "weth_usdc_low_500"
FEED_OF_THE_FILE = SequencerFeed(feed=FEED, grace_s=Seconds(GRACE_S))


def heeding_desk(chain: Chain, world: World, *, shard: bool = True, signer: bool = True) -> ChainDesk:
    """A live book whose shard, or whose signer, or both go by the feed, which says that all is well."""
    place_uptime(chain, UP)
    desk = desk_on(chain, world, POOL, "wait")
    if shard:
        desk.book = by_the_sequencer(desk.book)
        desk.append(PolicySet(policy=desk.book))
        desk._run(desk._read_wanted)
    if signer:
        desk.limits = replace(desk.limits, sequencer=FEED_OF_THE_FILE)
    desk.block()
    return desk


def told(desk: ChainDesk) -> list[UptimeRead]:
    (*_, event) = (each for each in desk.log if isinstance(each, BlockSeen))
    return [each for each in event.reads if isinstance(each, UptimeRead)]


def test_no_plan_opens_while_it_is_down_or_in_its_grace_period_and_one_is_done_after(
    chain: Chain, world: World
) -> None:
    desk = heeding_desk(chain, world)
    assert [(each.feed, each.answer, each.round_id) for each in told(desk)] == [(FEED, UP, 7)]
    place_uptime(chain, DOWN, ago_s=0)
    push(desk, ether=400)
    for _ in range(3):
        desk.block()
    assert told(desk)[0].answer == DOWN
    assert [(said.gate, said.reason) for said in desk.said(Declined)][-1] == ("sequencer", "sequencer_down")
    place_uptime(chain, UP, ago_s=0)
    back_s = chain.header().timestamp_s
    while not desk.said(PlanOpened):
        desk.block()
    opened_s = desk.said(PlanOpened)[0].because_of.block.timestamp_s
    assert back_s + GRACE_S < opened_s <= back_s + GRACE_S + 24
    assert "sequencer_grace" in [said.reason for said in desk.said(Declined)]
    assert until_closed(desk) == Done()
    assert desk.refusals == []
    assert allowances(desk) == [0] * 4


def test_a_plan_that_the_outage_meets_in_the_middle_goes_on_after_the_grace_period(
    chain: Chain, world: World
) -> None:
    desk = heeding_desk(chain, world)
    push(desk, ether=400)
    until_pending(desk, "withdraw")
    place_uptime(chain, DOWN, ago_s=0)
    for _ in range(4):
        desk.block()
    sent = [each.step for each in desk.done]
    assert sent == ["withdraw"]
    assert [said.reason for said in desk.said(PlanStalled)] == ["sequencer"]
    place_uptime(chain, UP, ago_s=0)
    back_s = chain.header().timestamp_s
    while len(desk.done) == len(sent):
        desk.block()
    assert chain.header().timestamp_s > back_s + GRACE_S
    assert until_closed(desk) == Done()


@pytest.mark.parametrize("code", ["0x", "0x60006000fd"])
def test_a_feed_that_answers_nothing_stops_a_book_as_one_that_is_down(
    chain: Chain, world: World, code: str
) -> None:
    desk = heeding_desk(chain, world)
    chain.rpc("anvil_setCode", FEED, code)
    push(desk, ether=400)
    desk.block()
    assert told(desk) == []
    assert desk.said(Declined)[-1].reason == "sequencer_unknown"
    assert not desk.said(RebalanceProposed)
    place_uptime(chain, UP)
    desk.block()
    assert desk.said(PlanOpened)


def test_a_signer_refuses_what_a_shard_plans_that_does_not_heed_the_feed(chain: Chain, world: World) -> None:
    desk = heeding_desk(chain, world, shard=False)
    place_uptime(chain, DOWN, ago_s=0)
    push(desk, ether=400)
    for _ in range(4):
        desk.block()
    assert desk.said(PlanOpened)
    trades = {each.step for each in desk.done} - {"withdraw", "approve", "reset"}
    assert trades == set()
    assert {refusal.reason for refusal in desk.refusals} == {"market"}
    assert all("the sequencer is down since" in refusal.detail for refusal in desk.refusals)
    assert not desk.said(PlanClosed)
