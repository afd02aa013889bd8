"""The contract of venues at which books are hedged: both versions of Aave, and a future with orders in two steps, on their bytecode."""

from pathlib import Path

import pytest
from chain_plans import cancel_all, is_tracked, undo
from hedge_bench import BENCHES, HedgeBench
from hedged_play import LATE_BLOCKS
from perp_desk import ETHER, know_perps

from pipeline.advance.books import stock_of
from pipeline.drive import drive
from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeChange, whole_steps
from pipeline.hedge.target import centre_of
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done
from pipeline.state.shard import Shard
from pipeline.units import ShardId
from pipeline.venues.hedging.goal import Secured, terms_of
from pipeline.venues.registry import need_hedging
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.ended_hedges import unwound
from streams.kafka.codec import decode_entry, decode_event, encode, encode_entry

pytestmark = pytest.mark.anvil
GAS = ETHER // 100
"""What transactions may have cost: the chain's coin is base."""


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know_perps(monkeypatch)


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest, chain: Chain, world: World, cache: Path) -> HedgeBench:
    return BENCHES[request.param](chain, world, cache)


def test_a_venue_of_hedges_keeps_what_the_port_says(bench: HedgeBench) -> None:
    began = bench.desk.chain.header().number
    is_reached_once(bench)
    costs_what_it_says(bench)
    stands_a_shock_as_it_says(bench)
    bears_no_more_than_it_says(bench)
    has_no_size_of_nothing(bench)
    goes_back_with_its_blocks(bench, began)
    leaves_nothing(bench)
    assert bench.compared >= 15
    assert bench.desk.refusals == [], "the signer lets all of it pass"
    assert not bench.desk.said(Quarantined)
    is_the_same_from_bytes(bench)


def is_reached_once(bench: HedgeBench) -> None:
    """The exposure ends where the plan said, within a step; asked again, nothing is wanted and nothing is done."""
    desk = bench.desk
    bench.rest()
    (opened,) = desk.said(PlanOpened)
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert abs(bench.net() - terms_of(opened.goal).net_base) <= bench.venue.step + GAS
    stock = stock_of(desk.shard, desk.book)
    long = stock.base_amount + bench.position().size
    assert desk.book.hedge
    assert abs(stock.base_amount - centre_of(desk.book.hedge, long)) <= long * 5 // 100
    assert need_hedging(desk.book).target(desk.shard, desk.book, stock) is None
    done = len(desk.done)
    desk.append(PolicySet(policy=desk.book))  # the same target again
    for _ in range(6):
        bench.block()
    assert (len(desk.done), len(desk.said(PlanOpened))) == (done, 1)


def costs_what_it_says(bench: HedgeBench) -> None:
    """What a year is said to bring has the sign of what blocks bring, and its size within a percent."""
    carry = bench.venue.carry(bench.desk.shard, bench.desk.book)
    a_year = bench.collateral_price.value(carry.earns) - carry.pays_base * 3_000 // 10**12
    before, at_s = bench.equity(), bench.desk.shard.tables.head.timestamp_s
    bench.desk.chain.rpc("evm_setNextBlockTimestamp", at_s + 86_400)
    bench.block()
    passed_s = bench.desk.shard.tables.head.timestamp_s - at_s
    brought, said = bench.equity() - before, a_year * passed_s // (365 * 86_400)
    assert said
    assert abs(brought - said) * 100 <= abs(said), (brought, said)
    bps = bench.venue.carry_bps(bench.desk.shard, bench.desk.book, HedgeChange())
    assert bps
    assert (bps > 0) == bench.size_costs


def stands_a_shock_as_it_says(bench: HedgeBench) -> None:
    """Health after a shock of the price is what the chain makes of it once it has come, within what a block of interest is."""
    venue, desk = bench.venue, bench.desk
    said = venue.health_after(desk.shard, desk.book, HedgeChange(), base_up_bps=400)
    bench.block(bench.price(3_120))
    assert abs(bench.truth().health_bps - said) <= said // 1_000
    bench.block(bench.price(3_000))


def bears_no_more_than_it_says(bench: HedgeBench) -> None:
    """The largest size is taken, and one more step is not."""
    venue, desk = bench.venue, bench.desk
    secured = Secured(venue, desk.shard, desk.book)
    for collateral in (10**10, 10**14):
        most = secured.most_more(10**24, collateral) // venue.step * venue.step
        assert 0 < most < 10**24
        assert secured.is_safe(HedgeChange(size=most, collateral=collateral))
        assert not secured.is_safe(HedgeChange(size=most + venue.step, collateral=collateral))
        assert secured.why_no_more(most + venue.step, collateral)


def has_no_size_of_nothing(bench: HedgeBench) -> None:
    venue, desk = bench.venue, bench.desk
    with pytest.raises(HedgeError, match="less than one step"):
        whole_steps(venue.step - 1, venue.step)
    for phase in venue.phases("up")[:-1]:
        assert venue.draft(desk.shard, desk.book, phase.name, 0, everything=False) == ()


def goes_back_with_its_blocks(bench: HedgeBench, began: int) -> None:
    """All blocks since the hedge began go away: so does the position; and it is taken on again."""
    desk, plans = bench.desk, len(bench.desk.said(PlanOpened))
    undo(desk, desk.chain.header().number - began)
    for _ in range(LATE_BLOCKS):
        desk.block()
        bench.is_true()
    assert bench.position().size == 0
    cancel_all(desk)
    bench.rest()
    assert bench.position().size > 10 * ETHER
    assert len(desk.said(PlanOpened)) <= plans + 1
    assert is_tracked(desk)


def leaves_nothing(bench: HedgeBench) -> None:
    desk = bench.desk
    desk.book = unwound(desk.book)
    desk.append(PolicySet(policy=desk.book))
    for _ in range(40):
        bench.block()
        if not (bench.position().size or bench.position().collateral):
            break
    bench.rest()
    assert bench.truth() == (0, 0, None)
    assert not any(bench.allowed())
    assert desk.said(PlanClosed)[-1].outcome == Done()


def is_the_same_from_bytes(bench: HedgeBench) -> None:
    """What the topics carry makes the same shard."""
    shard = Shard(ShardId(0))
    drive(shard, [decode_event(encode(each), where="here") for each in bench.desk.log])
    entries = dict(bench.desk.shard.tables.entries())
    assert entries == shard.tables.entries()
    assert all(decode_entry(key, encode_entry(value)) == value for key, value in entries.items())
