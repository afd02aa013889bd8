"""Step 7: the guards. Each looks for a reason not to send a phase, and the first that finds one refuses the whole phase.

The signer asks again, by its own limits, right before it signs.
"""

from collections.abc import Mapping

from pipeline.act.guards.amounts import daily_actions, daily_notional, no_improvement, notional
from pipeline.act.guards.block import TIP_WEI, gas_price, paused, stale_block
from pipeline.act.guards.cost import cost, costs_of, daily_cost, daily_gas
from pipeline.act.guards.references import references
from pipeline.act.guards.sequencer import sequencer
from pipeline.act.question import DAY_S, Guard, GuardRefusal, Question, VenueGuards
from pipeline.messages.outcomes import GuardReason
from pipeline.venues import registry
from pipeline.venues.registry import need_actions

__all__ = [
    "AMOUNTS",
    "BLOCK",
    "DAY_S",
    "GAS",
    "OTHER_REASONS",
    "REFERENCES",
    "TIP_WEI",
    "GuardRefusal",
    "Question",
    "costs_of",
    "guard",
    "guards_with",
    "passing_reasons",
]

BLOCK: dict[GuardReason, Guard] = {"paused": paused, "stale_block": stale_block, "sequencer": sequencer}
REFERENCES: dict[GuardReason, Guard] = {"references": references}
GAS: dict[GuardReason, Guard] = {"gas_price": gas_price}
AMOUNTS: dict[GuardReason, Guard] = {
    "no_improvement": no_improvement,
    "notional": notional,
    "daily_notional": daily_notional,
    "daily_actions": daily_actions,
    "cost": cost,
    "daily_cost": daily_cost,
    "daily_gas": daily_gas,
}
"""Reason code to guard, true of every venue."""

OTHER_REASONS = (
    "no_goal",
    "not_plannable",
    "step_failed",
    "unanswered",
    "not_observed",
    "quarantined",
    "no_price",
    "price_too_old",
    "order_requested",
    "order_unknown",
    "order_cancelled",
)
"""Why a plan may also not begin or not go on: it cannot be made, it failed, nobody answers, its book is not known, what became of an order
is not known or is nothing."""

_PASSING = frozenset(
    {
        "stale_block",
        "sequencer",
        "references",
        "gas_price",
        "no_improvement",
        "cost",
        "not_plannable",
        "market",
        "oracle",
    }
)
"""`market` is the signer's own."""


def passing_reasons() -> frozenset[str]:
    """List the reasons that depend on one block's prices, gas or depth below the highest block: the next block may not give them.

    What trades in a pool can bring most of them about on purpose.
    """
    return _PASSING.union(*(each.guards.passing for each in registry.all_actions()))


def guards_with(venue: VenueGuards) -> Mapping[GuardReason, Guard]:
    """List reason codes and guards in the order in which they are asked: those of every book, with a venue's between them."""
    return {**BLOCK, **venue.prices, **REFERENCES, **GAS, **venue.sizes, **AMOUNTS, **venue.calls}


def guard(question: Question) -> GuardRefusal | None:
    """Ask every guard in order.

    What takes a permission back is asked neither for a price nor for what gas costs: it only makes the owner safer.
    """
    venue = need_actions(question.shard, question.policy, question.kind).guards
    spared = _spared(question, venue)
    for reason, ask in guards_with(venue).items():
        detail = None if reason in spared else ask(question)
        if detail is not None:
            return GuardRefusal(reason=reason, detail=detail)
    return None


def _spared(question: Question, venue: VenueGuards) -> set[str]:
    """List the guards that are not asked: for what is urgent none on amounts and costs, nor on prices where nothing is traded."""
    if question.only_resets:
        return {*venue.prices, *REFERENCES, *GAS, "cost"}
    if not question.is_urgent:
        return set()
    at_prices = () if venue.of_trading(question) else (*venue.prices, *REFERENCES)
    return {*at_prices, *GAS, *AMOUNTS}
