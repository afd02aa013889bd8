"""A hedge at a future with orders in two steps, known to tests alone, under all actions of its keeper."""

from pathlib import Path

import pytest
from chain_plans import undo
from msgspec.structs import replace
from perp_desk import DOLLAR, ETHER, PerpDesk, hedged_at, know_perps
from worlds.toy_perp.chain import CAP, price_of
from worlds.toy_perp.hedge import DEPOSIT, REQUEST, STEP, WITHDRAW

from pipeline import keys
from pipeline.messages.account_alerts import AccountLiquidated
from pipeline.messages.base import Output
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanStalled,
    Quarantined,
    RebalanceProposed,
    StepRefused,
)
from pipeline.messages.events import OrderEndSaid, PolicySet
from pipeline.messages.order_alerts import OrderEndRefused, OrderEndTaken
from pipeline.messages.orders import Cancelled, Executed, Order, SaidEnded, UnknownOrder
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.views import BookView
from pipeline.state.shard import Shard
from pipeline.units import Seconds, ShardId
from streams.cli.hedge import as_object, print_hedges
from streams.cli.shorts import chances_of, short_of
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.kafka.codec import decode_entry, encode_entry
from streams.look.fold_once import book_in_memory
from streams.submit.verdict import Refusal

pytestmark = pytest.mark.anvil
STALL_BLOCKS = 5
"""Blocks of 12 s within `stall_after`, and one more."""


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know_perps(monkeypatch)


def requested(desk: PerpDesk) -> Order:
    """Go on until an order is requested, which nobody carries out."""
    desk.keeper_works = False
    for _ in range(10):
        desk.block()
        order = desk.position().order
        if order is not None and order.waits:
            return order
    raise AssertionError((desk.refusals, desk.said(StepRefused)))


def lost(desk: PerpDesk) -> Order:
    """Let an order be requested and then disappear: the chain will never show its end."""
    order = requested(desk)
    desk.block(desk.perp.take(desk.owner))
    desk.block(desk.perp.lose(desk.owner))
    return order


def of_plans(desk: PerpDesk) -> list[Output]:
    return [each for each in desk.outputs if isinstance(each, PlanOpened | PlanStalled | PlanClosed)]


def is_true(desk: PerpDesk) -> None:
    held = desk.position()
    assert (held.size, held.collateral) == desk.perp.truth(desk.chain, desk.owner)[:2]
    assert not desk.said(Quarantined)


def test_a_cancelled_order_leaves_the_state_true_and_is_told_with_its_reason(
    chain: Chain, world: World, cache: Path
) -> None:
    desk = PerpDesk(chain, world, cache)
    order = requested(desk)
    desk.block(desk.perp.set_price(2_990), desk.perp.execute(desk.owner))  # less than its limit lets through
    is_true(desk)
    held = desk.position()
    assert (held.size, held.order) == (0, replace(order, state=Cancelled(reason="price")))
    desk.block(desk.perp.set_price(3_000))
    assert [type(each) for each in of_plans(desk)] == [PlanOpened, PlanStalled]
    (refused,) = desk.said(StepRefused)
    assert (refused.phase, refused.reason) == ("settle", "order_cancelled")
    assert refused.detail == "order 1 was cancelled: price"

    # after its time the plan ends, and the step is made again
    desk.keeper_works = True
    desk.settle(STALL_BLOCKS + 12)
    outcomes = [each.outcome for each in desk.said(PlanClosed)]
    assert outcomes == [Stalled(phase="settle", reason="order_cancelled"), Done()]
    size = desk.position().size
    assert size > 14 * ETHER
    is_true(desk)

    # the same of an order for less, which the keeper itself cancels
    desk.book = hedged_at(world, desk.perp, desk.owner, ratio_bps=3_000)
    desk.append(PolicySet(policy=desk.book))
    order = requested(desk)
    assert order.change < 0
    desk.block(desk.perp.cancel(desk.owner, "maintenance"))
    is_true(desk)
    assert desk.position().size == size
    assert desk.position().order == replace(order, state=Cancelled(reason="maintenance"))
    desk.keeper_works = True
    desk.settle(STALL_BLOCKS + 12)
    assert desk.said(StepRefused)[-1].detail == "order 3 was cancelled: maintenance"
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert desk.position().size < 9 * ETHER
    assert desk.refusals == []
    is_true(desk)


def test_an_order_of_which_nothing_is_known_stays_unknown_until_the_chain_tells(
    chain: Chain, world: World, cache: Path
) -> None:
    desk = PerpDesk(chain, world, cache)
    order = requested(desk)
    desk.block(desk.perp.take(desk.owner))
    assert desk.position().order == replace(order, state=UnknownOrder())
    undo(desk, 1)
    desk.block()
    assert desk.position().order == order, "what took it has gone away"
    desk.block(desk.perp.take(desk.owner))

    # a week is no cancellation: nothing is ordered again, and it is said
    done = len(desk.done)
    for _ in range(STALL_BLOCKS):
        desk.block()
    for _ in range(21):
        desk.let_pass(8 * 3_600)
    assert [each.outcome for each in desk.said(PlanClosed)] == [
        Stalled(phase="settle", reason="order_unknown")
    ]
    assert [each.step for each in desk.done[done:] if each.step != "reset"] == []
    assert len(desk.said(PlanOpened)) == 1
    assert desk.said(BookView)[-1].hedge.order == replace(order, state=UnknownOrder())

    # the chain tells: it is there, and it is not ordered twice
    desk.block(desk.perp.execute(desk.owner))
    is_true(desk)
    assert desk.position().order == replace(order, state=Executed(size=order.change))
    assert desk.position().size == order.change
    desk.settle(4)
    assert len(desk.said(PlanOpened)) == len(desk.said(RebalanceProposed)) == 1
    assert desk.refusals == []


def test_an_operator_says_what_became_of_an_order_that_nobody_tells_of(
    chain: Chain, world: World, cache: Path
) -> None:
    desk = PerpDesk(chain, world, cache)
    order = lost(desk)
    for _ in range(STALL_BLOCKS + 12):
        desk.block()
    assert len(desk.said(PlanOpened)) == 1

    word = OrderEndSaid(book=desk.book.book, order=order.number, outcome="executed", reason="a call", by="me")
    (refused,) = desk.append(word)
    assert isinstance(refused, OrderEndRefused)
    assert "nothing of it was executed" in refused.says
    desk.block()
    assert len(desk.said(PlanOpened)) == 1

    taken, view = desk.append(replace(word, outcome="cancelled"))
    assert isinstance(taken, OrderEndTaken)
    said = replace(order, state=SaidEnded(outcome="cancelled", by="me", reason="a call"))
    assert (taken.order, view.hedge.order) == (said, said)
    entries = desk.shard.tables.entries()
    assert desk.append(replace(word, outcome="cancelled")) == []
    assert {**desk.shard.tables.entries(), keys.CURSOR: None} == {**entries, keys.CURSOR: None}

    # the hedge goes on, and orders once more
    desk.keeper_works = True
    desk.shard = from_bytes(desk.shard)
    desk.settle(12)
    assert desk.perp.orders(chain) == 2
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert desk.position().size > 14 * ETHER
    assert desk.refusals == []
    is_true(desk)


def test_a_plan_that_still_waits_takes_an_operators_word_for_the_chains(
    chain: Chain, world: World, cache: Path
) -> None:
    desk = PerpDesk(chain, world, cache)
    order = lost(desk)
    word = OrderEndSaid(
        book=desk.book.book, order=order.number, outcome="cancelled", reason="a call", by="me"
    )
    desk.append(word)
    desk.block()
    refused = desk.said(StepRefused)[-1]
    assert (refused.phase, refused.reason) == ("settle", "order_cancelled")
    assert refused.detail == "order 1 was cancelled: a call"
    desk.keeper_works = True
    desk.settle(STALL_BLOCKS + 12)
    assert [each.outcome for each in desk.said(PlanClosed)] == [
        Stalled(phase="settle", reason="order_cancelled"),
        Done(),
    ]
    assert desk.perp.orders(chain) == 2
    is_true(desk)


def test_while_an_order_waits_margin_alone_is_added(chain: Chain, world: World, cache: Path) -> None:
    """Nobody carries it out: the plan ends after its time, and low health is secured though the order is there."""
    desk = PerpDesk(chain, world, cache)
    desk.settle(8)
    size = desk.position().size
    desk.book = hedged_at(world, desk.perp, desk.owner, ratio_bps=9_000)
    desk.append(PolicySet(policy=desk.book))
    order = requested(desk)
    told = len(desk.said(StepRefused))
    for _ in range(STALL_BLOCKS - 1):
        assert not desk.said(PlanStalled), "that an order waits is nothing to be said before its time"
        desk.block()
    assert desk.said(PlanClosed)[-1].outcome == Stalled(phase="settle", reason="order_requested")
    assert [each.reason for each in desk.said(StepRefused)[told:]] == ["order_requested"]
    assert [each.reason for each in desk.said(PlanStalled)] == ["order_requested"]

    desk.shard = from_bytes(desk.shard)
    done = len(desk.done)
    desk.block(desk.perp.set_price(4_310))
    assert desk.position().health_bps < 12_000
    desk.settle(6)
    assert [each.step for each in desk.done[done:] if each.step != "reset"] == ["approve", "deposit"]
    assert (desk.position().size, desk.position().order) == (size, order)
    assert desk.position().health_bps >= 12_000
    is_true(desk)

    # it is carried out after all, and goes back with its block
    desk.block(desk.perp.set_price(3_000), desk.perp.execute(desk.owner))
    assert desk.position().size == size + order.change
    is_true(desk)
    undo(desk, 1)
    desk.block()
    assert (desk.position().size, desk.position().order) == (size, order)
    is_true(desk)


def from_bytes(shard: Shard) -> Shard:
    """Start the shard over from what its keeper has kept."""
    entries = shard.tables.entries()
    return Shard(ShardId(0), {key: decode_entry(key, encode_entry(value)) for key, value in entries.items()})


def test_a_size_that_rounds_to_zero_is_refused_before_anything_is_sent(
    chain: Chain, world: World, cache: Path
) -> None:
    desk = PerpDesk(chain, world, cache, largest_step=STEP - 1)
    desk.settle(6)
    assert (desk.done, desk.said(PlanOpened)) == ([], [])
    refused = desk.said(StepRefused)[0]
    assert refused.reason == "not_plannable"
    assert refused.detail == f"a size of {STEP - 1} is less than one step of {STEP}"


def test_what_is_left_of_the_cap_is_all_that_is_ordered(chain: Chain, world: World, cache: Path) -> None:
    desk = PerpDesk(chain, world, cache)
    taken, stranger = CAP - 5 * ETHER, world.accounts.traders[0]
    chain.execute(*desk.perp.open_short(stranger, taken, 1_000_000 * DOLLAR))
    desk.settle(10)
    (opened,) = desk.said(PlanOpened)
    assert opened.cut_short.endswith(f"{5 * ETHER} is left of the cap")
    assert 0 <= 5 * ETHER - desk.position().size <= STEP, "gas has cost some of the base"
    is_true(desk)


def test_low_health_is_secured_by_margin_and_where_there_is_none_by_a_smaller_size(
    chain: Chain, world: World, cache: Path
) -> None:
    desk = PerpDesk(chain, world, cache, within_bps=9_000)  # the pool's price stays where it is
    desk.settle(10)
    size, done = desk.position().size, len(desk.done)
    desk.block(desk.perp.set_price(3_890))
    assert desk.position().health_bps < 12_000
    desk.settle(5)
    assert {each.step for each in desk.done[done:]} <= {"approve", "deposit", "reset"}
    assert desk.position().size == size
    assert desk.position().health_bps >= 11_000
    is_true(desk)

    # the wallet has base alone, which secures nothing here: the position becomes smaller by an order
    quote = balance(chain, world.usdc_low, desk.owner)
    chain.execute(actions.transfer(world.usdc_low, desk.owner, desk.perp.keeper, quote))
    assert balance(chain, world.weth, desk.owner) > ETHER
    done = len(desk.done)
    desk.block(desk.perp.set_price(5_050))
    assert desk.position().health_bps < 12_000
    desk.settle(8)
    assert "decrease" in {each.step for each in desk.done[done:]}
    assert desk.position().size < size
    assert desk.position().health_bps >= 12_000
    is_true(desk)

    # one that is liquidated all the same is followed, told, and pauses the book
    size, had = desk.position().size, desk.position().collateral
    desk.block(desk.perp.set_price(9_000), desk.perp.liquidate(desk.owner))
    assert desk.position().size == 0
    is_true(desk)
    (told,) = desk.said(AccountLiquidated)
    assert (told.repaid.amount, told.seized.amount, told.liquidator) == (size, had, desk.perp.keeper)
    assert told.collateral_left[0].amount == desk.position().collateral == 0
    opened = len(desk.said(PlanOpened))
    desk.settle(8)
    assert len(desk.said(PlanOpened)) == opened
    assert desk.said(Declined)[-1].reason == "liquidated"


def test_a_short_is_liquidated_from_the_price_on_that_is_shown(
    chain: Chain, world: World, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = PerpDesk(chain, world, cache)
    desk.settle(10)
    desk.block(desk.perp.set_price(2_970))  # the pool's price is another: the venue liquidates by its own
    book = book_in_memory(desk.shard)
    shown = short_of(book)
    assert shown is not None
    assert shown.price == pytest.approx(2_970)
    assert shown.health_bps == desk.position().health_bps
    assert shown.rise is not None
    assert shown.rise_with_wallet is not None
    assert 0.1 < shown.rise < shown.rise_with_wallet
    likely = chances_of(shown.rise, 0.6)
    assert 0 <= likely[0] < likely[1] < likely[2] < 1
    capsys.readouterr()
    print_hedges([book], 0.6)
    out = capsys.readouterr().out
    assert "shorts, and the chance of their liquidation" in out
    assert f"{shown.liquidated_at:.6g}" in out
    told = as_object(book, 0.6)
    assert told["lending_accounts"] == []
    assert told["short"]["liquidated_at"] == shown.liquidated_at  # type: ignore[index]

    for bps, falls in ((-1, False), (0, True)):
        rise = round(shown.rise * 10_000) + bps
        chain.execute(desk.perp.set_price(2_970 * (10_000 + rise) / 10_000))
        call = {"from": world.accounts.traders[0], "to": desk.perp.at}
        call["data"] = desk.perp.liquidate(desk.owner).data
        if falls:
            chain.rpc("eth_call", call, "latest")
        else:
            with pytest.raises(Exception, match="healthy"):
                chain.rpc("eth_call", call, "latest")


def test_funding_has_the_sign_that_it_is_said_to_have(chain: Chain, world: World, cache: Path) -> None:
    desk = PerpDesk(chain, world, cache)
    desk.settle(10)
    before = desk.position().collateral
    for percent, sign in ((20, 1), (-20, -1)):
        desk.block(desk.perp.set_funding(percent))
        desk.let_pass(30 * 86_400)
        is_true(desk)
        after = desk.position().collateral
        assert (after - before) * sign > 0
        before = after


def judged(desk: PerpDesk, data: str) -> object:
    """Have the signer judge other bytes in the place of the order that was made."""
    (order,) = (each for each in desk.done if each.step == "increase")
    head = desk.shard.tables.head
    forged = replace(
        order,
        call=replace(order.call, data=data),
        made_at=head,
        deadline_s=Seconds(head.timestamp_s + 300),
        minimums=(),
        after=None,
    )
    return desk._run(lambda node: desk._judge(node, forged, ()))


def test_the_signer_lets_no_forged_order_pass(chain: Chain, world: World, cache: Path) -> None:
    desk = PerpDesk(chain, world, cache)
    desk.settle(10)
    price = price_of(3_000)
    assert not isinstance(judged(desk, REQUEST.calldata(STEP, price)), Refusal), "a good one passes"
    assert not isinstance(judged(desk, WITHDRAW.calldata(10 * DOLLAR)), Refusal)
    for data, reason, says in (
        (REQUEST.calldata(30 * ETHER, price), "limits", "a short of"),
        (REQUEST.calldata(STEP, price * 90 // 100), "market", "too far from the references"),
        (REQUEST.calldata(-STEP, price * 110 // 100), "market", "too far from the references"),
        (REQUEST.calldata(STEP + 1, price), "simulation", "size"),
        (REQUEST.calldata(20 * ETHER, price), "limits", "would secure"),
        (WITHDRAW.calldata(12_000 * DOLLAR), "limits", "would secure"),
        (DEPOSIT.calldata(10) + "00", "malformed", "deposit"),
        (desk.perp.execute(desk.owner).data, "limits", "not on the list"),
    ):
        refusal = judged(desk, data)
        assert isinstance(refusal, Refusal), data
        assert (refusal.reason, says in str(refusal)) == (reason, True), str(refusal)


def test_the_signer_counts_an_order_that_waits_where_margin_is_withdrawn(
    chain: Chain, world: World, cache: Path
) -> None:
    """Once it is executed there must be as much behind it as if it had been executed before."""
    desk = PerpDesk(chain, world, cache)
    desk.settle(10)
    assert not isinstance(judged(desk, WITHDRAW.calldata(4_000 * DOLLAR)), Refusal)
    desk.block(replace(desk.perp.execute(desk.owner), sender=desk.owner, data=REQUEST.calldata(8 * ETHER, 0)))
    order = desk.perp.order_of(chain, desk.owner)
    refusal = judged(desk, WITHDRAW.calldata(4_000 * DOLLAR))
    assert (order, isinstance(refusal, Refusal), "would secure" in str(refusal)) == (2, True, True), refusal
