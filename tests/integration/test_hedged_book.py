"""A live book hedged at Aave V3, both versions on real bytecode: planned, checked by its signer, mined, and unwound."""

import random
from itertools import pairwise
from statistics import pstdev

import pytest
from aave_world import NAME, is_as_on_the_chain
from chain_plans import cancel_all, is_tracked, undo
from hedged_desk import DEPLOY, SHORT_OF_DOLLARS, HedgedDesk
from hedged_play import DOLLAR, ETHER, KEPT, LATE_BLOCKS, NATIVE_WEI
from msgspec.structs import replace

from pipeline.advance.books import stock_of
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import IntentRefused, PolicySet
from pipeline.messages.goals import HedgeGoal
from pipeline.messages.outcomes import Done, Left
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Bps
from streams.devnet import aave
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.ended_hedges import unwound

pytestmark = pytest.mark.anvil


@pytest.mark.parametrize("version", list(DEPLOY))
def test_a_hedge_is_taken_on_secured_and_unwound_by_what_its_signer_allows(
    chain: Chain, world: World, cache, version: str
) -> None:
    market = DEPLOY[version](chain, world, cache=cache)
    desk = HedgedDesk(chain, world, market, SHORT_OF_DOLLARS)
    policy = desk.book
    # taken on: of all base 65 % is owed, within what a step leaves
    desk.until(lambda: desk.said(PlanClosed))
    assert [each.outcome for each in desk.said(PlanClosed)] == [Done()]
    assert isinstance(desk.said(PlanOpened)[0].goal, HedgeGoal)
    assert steps(desk) == ["approve", "supply", "borrow", "approve", "sell"]
    is_hedged(desk)

    # secured: the price jumps, and the wallet pays for it at once
    done = len(desk.done)
    desk.jump(3_750)
    assert desk.health() < 1.2
    desk.until(lambda: desk.health() >= 1.2, most=8)
    assert {i.step for i in desk.done[done:]} <= {"approve", "repay", "supply"}
    assert desk.refusals == []

    # unwound: nothing is left, no dust either
    desk.jump(3_000)
    desk.until(lambda: not desk.is_acting)
    plans = len(desk.said(PlanOpened))
    desk.append(PolicySet(policy=unwound(policy)))
    desk.until(lambda: (desk.owed(), desk.secured()) == (0, 0))
    # the first purchase may go into the reserve of base, which securing has used up
    assert len(desk.said(PlanOpened)) <= plans + 2
    assert [aave.MOST in read_amounts(i) for i in desk.done if i.step in {"repay", "withdraw"}][-2:] == [
        True
    ] * 2
    desk.until(lambda: not desk.is_acting)
    assert desk.said(PlanClosed)[-1].outcome == Done()
    assert desk.allowed() == [0] * 4


def read_amounts(intent: SubmitTransaction) -> list[int]:
    """Read the amounts of a call."""
    words = intent.call.data[10:]
    return [int(words[at : at + 64], 16) for at in range(0, len(words), 64)]


def steps(desk: HedgedDesk) -> list[str]:
    return [i.step for i in desk.done if i.step != "reset"]


# ------------------------------------------------------------------ what goes away
@pytest.mark.parametrize(("version", "first"), [("3.6", "supply"), ("3.0", "borrow"), ("3.6", "sell")])
def test_a_leg_that_a_reorg_takes_away_is_made_again(
    chain: Chain, world: World, cache, version: str, first: str
) -> None:
    """All from a leg on goes away and nothing of it comes again: past its deadline the signer cancels it."""
    market = DEPLOY[version](chain, world, cache=cache)
    desk = HedgedDesk(chain, world, market, SHORT_OF_DOLLARS)
    begun: dict[str, int] = {}
    while not desk.said(PlanClosed):
        for intent in desk.pending[:1]:
            begun.setdefault(intent.step, chain.header().number)
        desk.block()
    assert {"supply", "borrow", "sell"} <= begun.keys()
    undo(desk, chain.header().number - begun[first])
    for _ in range(LATE_BLOCKS):
        desk.block()
    cancel_all(desk)
    desk.until(lambda: len(desk.said(PlanClosed)) > 1)
    assert {each.outcome for each in desk.said(PlanClosed)} == {Done()}
    is_hedged(desk)
    is_as_on_the_chain(desk, chain, market, desk.book.owner)
    assert desk.allowed() == [0] * 4
    assert is_tracked(desk)
    assert not desk.said(Quarantined)


def test_a_step_back_from_a_hedge_that_a_reorg_took_away_ends_and_the_hedge_is_taken_on(
    chain: Chain, world: World, cache
) -> None:
    """The price rises, less is to be owed; then the chain goes back to before anything was, and nothing of it comes again."""
    market = DEPLOY["3.6"](chain, world, cache=cache)
    desk = HedgedDesk(chain, world, market, SHORT_OF_DOLLARS)
    began_at = chain.header().number
    desk.until(lambda: desk.said(PlanClosed))
    desk.jump(3_150)
    desk.until(lambda: len(desk.said(PlanOpened)) > 1)
    back = desk.said(PlanOpened)[1]
    assert back.goal.terms["move"] == "down"
    waiting = list(desk.pending)
    undo(desk, chain.header().number - began_at)
    assert (desk.owed(), desk.secured()) == (0, 0)
    for each in waiting:
        desk.append(IntentRefused(intent=each.digest, reason="orphaned", detail="a test"))
    desk.block()
    end = desk.said(PlanClosed)[-1]
    assert (end.plan, end.outcome) == (back.plan, Left(phase="buy", reason="position_gone", item=NAME))
    desk.until(lambda: desk.said(PlanClosed)[-1].outcome == Done())
    assert desk.said(PlanOpened)[2].goal.terms["move"] == "up"
    is_hedged(desk)
    assert desk.allowed() == [0] * 4
    assert is_tracked(desk)


def is_hedged(desk: HedgedDesk) -> None:
    """Of all base 65 % is owed, within what a step leaves, and a gap is withstood."""
    owed = desk.owed()
    net = stock_of(desk.shard, desk.book).base_amount
    assert abs(net - (net + owed) * 35 // 100) <= (net + owed) * 3 // 100, (net, owed)
    assert desk.health() >= 1.1 * 1.3


# ------------------------------------------------------------------ what it is for
BLOCKS = 70


@pytest.mark.parametrize(("ratio_bps", "most"), [(10_000, 0.2), (6_500, 0.45)])
def test_a_hedged_books_value_moves_a_part_of_its_twins(
    chain: Chain, world: World, cache, ratio_bps: Bps, most: float
) -> None:
    """At ratio 100 % a fifth, at the usual one what is left open and a band more. The twin has the same range and the same tokens, and does nothing."""
    market = DEPLOY["3.6"](chain, world, cache=cache)
    hedge = replace(SHORT_OF_DOLLARS.hedge, ratio_bps=ratio_bps)
    fully = SHORT_OF_DOLLARS._replace(hedge=hedge, half_width=2_000)
    desk = HedgedDesk(chain, world, market, fully)
    desk.until(lambda: desk.said(PlanClosed))
    chance, dollars = random.Random(7), 3_000.0
    values: dict[str, list[float]] = {"hedged": [], "twin": []}
    outside = 0
    for _ in range(BLOCKS):
        dollars *= 1 + chance.gauss(0, 0.006)
        desk.jump(dollars)
        stock = stock_of(desk.shard, desk.book)
        owed, secured = desk.owed(), desk.secured()
        purse = [balance(chain, token, desk.book.owner) for token in (world.weth, world.usdc_low)]
        native = int(chain.rpc("eth_getBalance", desk.book.owner, "latest"), 16)
        ranged = (stock.base_amount + owed - purse[0] - native, stock.quote_amount - secured - purse[1])
        assert min(ranged) >= 0
        price = dollars * DOLLAR / ETHER
        values["hedged"].append(float(stock.value_quote))
        values["twin"].append((ranged[0] + KEPT["weth"] + NATIVE_WEI) * price + ranged[1] + KEPT["usdc"])
        outside += not desk.is_acting and not desk.is_on_target(desk.book)
    spread = {name: pstdev(b - a for a, b in pairwise(each)) for name, each in values.items()}
    print(f"ratio {ratio_bps}: {spread['hedged'] / spread['twin']:.3f} of the twin's")
    assert spread["hedged"] <= most * spread["twin"], spread
    assert outside <= BLOCKS // 10, outside
    assert [each.reason for each in desk.refusals if each.reason == "limits"] == []
