"""Compute what ending a book's hedge would cost at the prices of a block, before an operator decides on it."""

import msgspec

from pipeline.act.guards import GuardRefusal, Question, costs_of
from pipeline.advance.book_context import BookContext
from pipeline.advance.books import stock_of
from pipeline.advance.outlook import look_ahead
from pipeline.decide.hedging import position_of
from pipeline.hedge.port import HedgePosition
from pipeline.messages.costs import ForeseenCost
from pipeline.messages.effects import BookEffects
from pipeline.units import RawAmount
from pipeline.venues.hedging.foresight import ForeseenHedge
from pipeline.venues.hedging.goal import in_wallet


class Unwinding(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a hedge, with the plan that reaches it."""

    held: HedgePosition
    refusal: GuardRefusal | None = None
    """Why no such plan can be made now; also None where nothing is left."""
    bought: RawAmount = RawAmount(0)
    """Base that is bought to repay with."""
    paid: RawAmount = RawAmount(0)
    """Quote that it takes."""
    left: RawAmount = RawAmount(0)
    """What is still owed after one plan: the wallet does not suffice for all at once."""
    withdrawn_first: RawAmount = RawAmount(0)
    """Collateral that the plan withdraws to buy with, before anything is repaid; what is left of it a later plan takes back."""
    cut_short: str = ""
    """Why prices allow no more in one plan; empty: they do."""
    transactions: int = 0
    gas: int = 0
    """What they usually use."""
    costs: ForeseenCost | None = None
    """None where gas has no price in base or quote."""


def unwinding_now(context: BookContext) -> Unwinding:
    """Compute the plan that ends a hedge; the context's policy is one whose hedge ends.

    Raises: PipelineError where the book cannot be valued, or its position is not known.
    """
    context = context.acting_for("hedge_to")
    shard, policy = context.shard, context.policy
    stock, held = stock_of(shard, policy), position_of(shard, policy)
    if not (held.size or held.collateral):
        return Unwinding(held=held)
    looked = look_ahead(context, stock)
    if isinstance(looked, GuardRefusal):
        return Unwinding(held=held, refusal=looked)
    goal, seen = looked
    assert isinstance(seen, ForeseenHedge), "a hedge's plan foresees so"
    first = context.actions.phases_of(goal)[0].name
    sells_first = first == "withdraw"
    market = context.actions.read_market(
        shard, policy, context.block.timestamp_s, context.base_fee_wei, phase=first
    )
    asked = Question(
        shard=shard,
        policy=policy,
        market=market,
        effects=BookEffects(),
        drafts=(),
        notional_quote=seen.moved_quote,
        value_quote=stock.value_quote,
        prices=stock.prices,
        foreseen=seen,
        kind=context.kind,
    )
    bought = RawAmount(0 if seen.trade is None else seen.trade.base)
    return Unwinding(
        held=held,
        left=RawAmount(max(held.size - bought - in_wallet(shard, policy, "close").base, 0)),
        withdrawn_first=RawAmount(max(-seen.change.collateral, 0) if sells_first else 0),
        bought=bought,
        paid=RawAmount(0 if seen.trade is None else seen.trade.quote),
        cut_short=seen.cut_short,
        transactions=seen.transactions,
        gas=seen.gas_expected,
        costs=costs_of(asked),
    )
