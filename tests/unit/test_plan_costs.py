"""The foreseen cost in a plan's beginning and the real cost in its end equal sums computed independently."""

import json

import msgspec
import pytest
from builders import POOL, STRANGER
from desk import Desk, live

from pipeline.book.exposures import ONE_FOR_ONE
from pipeline.book.pricing import gas_in_quote
from pipeline.drive import drive
from pipeline.messages.costs import RealCost
from pipeline.messages.decisions import PlanClosed, PlanOpened, RebalanceProposed
from pipeline.messages.effects import Plan
from pipeline.messages.events import BlockSeen, Resumed
from pipeline.messages.outcomes import Done, Left
from pipeline.messages.views import BookView
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3 import mean_tick
from pipeline.venues.uniswap_v3.forms.views import SwapSeen
from pipeline.venues.uniswap_v3.pools import need_pool
from streams.kafka.codec import decode_entry, decode_output, encode_entry


def through_a_plan(desk: Desk) -> tuple[PlanOpened, PlanClosed]:
    desk.block(push=True)
    for _ in range(8):
        desk.block()
    (opened,), (closed,) = desk.said(PlanOpened), desk.said(PlanClosed)
    assert closed.outcome == Done()
    return opened, closed


@pytest.fixture(scope="module")
def done() -> tuple[Desk, PlanOpened, PlanClosed]:
    desk = Desk(live())
    return desk, *through_a_plan(desk)


def test_the_beginning_says_why_now_and_what_it_will_cost_by_part(done):
    desk, opened, _ = done
    (proposal,) = desk.said(RebalanceProposed)
    assert (opened.proposal, opened.trigger) == (proposal.id, proposal.trigger)
    assert (opened.share_before_bps, opened.deviation_bps) == (
        proposal.base_share_bps,
        proposal.deviation_bps,
    )
    foreseen = opened.foreseen
    parts = (foreseen.gas_at_limits, foreseen.swap_fee, foreseen.impact, foreseen.way_back)
    assert foreseen.total == sum(parts)
    assert 0 < foreseen.gas_expected < foreseen.gas_at_limits
    effects = desk.shard.tables.entries()["effects/alpha"]
    assert effects.actions[-1].cost == foreseen.total, "it is what the limits of a day count"
    assert effects.actions[-1].gas == foreseen.gas_at_limits


def test_the_end_counts_every_receipt_to_the_wei(done):
    desk, _, closed = done
    own = {"0x" + intent.digest.rjust(64, "0") for intent in desk.signer.done}
    receipts = [
        receipt
        for event in desk.watcher.log
        if isinstance(event, BlockSeen)
        for receipt in event.receipts
        if receipt.transaction_hash in own
    ]
    assert len(receipts) == len(desk.signer.done) > 5
    assert closed.cost.transactions == len(receipts)
    assert closed.cost.gas_used == sum(r.gas_used for r in receipts)
    assert closed.cost.gas_wei == sum(r.gas_used * r.effective_gas_price_wei for r in receipts)


def test_the_end_values_the_swap_at_the_mean_before_its_block(done):
    desk, _, closed = done
    (swap,) = [each for each in desk.signer.done if each.step == "swap"]
    tx_hash = "0x" + swap.digest.rjust(64, "0")
    (seen,) = [each for each in desk.said(SwapSeen) if each.transaction_hash == tx_hash]
    shard, at_s = Shard(0), seen.because_of.block.timestamp_s
    (before,) = [
        place
        for place, event in enumerate(desk.watcher.log)
        if isinstance(event, BlockSeen) and event.block.timestamp_s == at_s
    ]
    drive(shard, desk.watcher.log[:before])
    price = 1.0001 ** mean_tick(need_pool(shard, POOL), at_s, 24)
    loss = seen.amount0_delta * price + seen.amount1_delta
    assert loss > 0, "a fee is taken"
    assert closed.cost.swap_loss == pytest.approx(loss, rel=1e-9, abs=10)


def test_the_end_compares_what_was_paid_with_what_was_expected(done):
    desk, opened, closed = done
    assert closed.foreseen == opened.foreseen
    assert closed.cost.gas_quote == pytest.approx(closed.cost.gas_wei, rel=0.2), "the base is worth about 1"
    paid = closed.cost.gas_quote + closed.cost.swap_loss
    expected = opened.foreseen.gas_expected + opened.foreseen.swap_fee + opened.foreseen.impact
    assert closed.over_foreseen == paid - expected
    assert closed.deviation_before_bps == opened.deviation_bps
    view = [v for v in desk.said(BookView) if v.because_of.block == closed.because_of.block][-1]
    assert closed.deviation_after_bps == view.base_share_bps - 5_000


def test_the_end_counts_the_blocks_outside_and_the_fees_missed_there(done):
    desk, _, closed = done
    blocks = {
        step: next(
            event.block.number
            for event in desk.watcher.log
            if isinstance(event, BlockSeen)
            for receipt in event.receipts
            for intent in desk.signer.done
            if intent.step == step and receipt.transaction_hash.endswith(intent.digest)
        )
        for step in ("withdraw", "mint")
    }
    assert closed.cost.blocks_outside == blocks["mint"] - blocks["withdraw"]
    traded = [
        swap
        for swap in desk.said(SwapSeen)
        if blocks["withdraw"] < swap.because_of.block.number <= blocks["mint"]
    ]
    most = sum(max(swap.amount0_delta, swap.amount1_delta) for swap in traded) * 500 // 10**6
    assert 0 < closed.cost.missed_fees < most * 2


def test_gas_without_a_price_is_told_in_wei_only():
    book = live()
    elsewhere = live(chain=msgspec.structs.replace(book.chain, wrapped_native=POOL))
    assert gas_in_quote(book, 10**9, ONE_FOR_ONE) == 10**9
    assert gas_in_quote(elsewhere, 10**9, ONE_FOR_ONE) is None
    assert RealCost(gas_wei=5, gas_quote=None, swap_loss=3).paid is None
    assert RealCost(gas_wei=5, gas_quote=4, swap_loss=3).paid == 7


def test_a_plan_of_which_nothing_was_sent_has_cost_nothing():
    desk = Desk(live())
    desk.block(push=True)
    desk.refuse("orphaned")
    desk.block()
    (closed,) = desk.said(PlanClosed)
    assert (closed.cost.transactions, closed.cost.paid, closed.cost.blocks_outside) == (0, 0, 0)


def test_a_plan_that_its_policy_leaves_tells_what_it_cost_so_far():
    desk = Desk(live())
    desk.block(push=True)
    for _ in range(2):
        desk.block()
    sent = len(desk.signer.done)
    desk.set_policy(live(signer=STRANGER))
    (closed,) = desk.said(PlanClosed)
    assert isinstance(closed.outcome, Left)
    assert closed.cost.transactions == sent > 1
    assert closed.cost.blocks_outside == 2
    assert closed.deviation_after_bps is None, "nobody has looked at the book"


def test_what_a_shard_has_forgotten_is_told_as_unknown():
    desk = Desk(live())
    desk.block(push=True)
    desk.block()
    desk.watcher.append(Resumed(scope="shard", reason="again", by="me"))
    desk.take()
    (closed,) = desk.said(PlanClosed)
    assert (closed.cost, closed.over_foreseen) == (None, None)


def test_records_of_before_are_still_read():
    stamp = '"id":"plan.0.1.a","because_of":{"shard":"0","offset":"1","block":null},"book":"alpha","plan":"p"'
    opened = decode_output(
        f'{{"type":"PlanOpened",{stamp},"pool":"0x1","tick_lower":"-10","tick_upper":"10",'
        '"notional_quote":"5"}'.encode()
    )
    closed = decode_output(f'{{"type":"PlanClosed",{stamp},"outcome":"done"}}'.encode())
    assert (opened.foreseen, closed.cost) == (None, None)
    desk = Desk(live())
    desk.block(push=True)
    fields = json.loads(encode_entry(desk.shard.tables.need("plan/alpha", Plan)))
    assert fields.pop("foreseen")
    assert fields.pop("deviation_before_bps")
    assert decode_entry("plan/alpha", json.dumps(fields).encode()).foreseen is None
