"""Step 7: one list of reasons not to act. The first that holds refuses the whole phase.

The signer asks again, by its own limits, right before it signs.
"""

from pipeline.act.guards.amounts import daily_actions, daily_notional, no_improvement, notional
from pipeline.act.guards.calls import deadline, min_out, not_allowed, price_limit
from pipeline.act.guards.cost import cost, costs_of, daily_cost, daily_gas
from pipeline.act.guards.market import (
    TIP_WEI,
    depth,
    gas_price,
    mint_limited,
    paused,
    spot_from_twap,
    stale_block,
    swap_limited,
)
from pipeline.act.guards.question import DAY_S, Guard, GuardRefusal, Question

__all__ = [
    "DAY_S",
    "GUARDS",
    "OTHER_REASONS",
    "PASSING",
    "TIP_WEI",
    "GuardRefusal",
    "Question",
    "costs_of",
    "guard",
]

GUARDS: dict[str, Guard] = {
    "paused": paused,
    "stale_block": stale_block,
    "spot_from_twap": spot_from_twap,
    "gas_price": gas_price,
    "swap_limited": swap_limited,
    "mint_limited": mint_limited,
    "depth": depth,
    "no_improvement": no_improvement,
    "notional": notional,
    "daily_notional": daily_notional,
    "daily_actions": daily_actions,
    "cost": cost,
    "daily_cost": daily_cost,
    "daily_gas": daily_gas,
    "not_allowed": not_allowed,
    "min_out": min_out,
    "price_limit": price_limit,
    "deadline": deadline,
}
"""Reason code to guard, in the order in which they are asked."""

OTHER_REASONS = ("no_goal", "not_plannable", "step_failed", "unanswered", "not_observed", "quarantined")
"""Why a plan may also not begin or not go on: it cannot be made, it failed, nobody answers, its book is not known."""


PASSING = frozenset(
    {
        "stale_block",
        "spot_from_twap",
        "gas_price",
        "swap_limited",
        "mint_limited",
        "depth",
        "no_improvement",
        "cost",
        "min_out",
        "price_limit",
        "not_plannable",
        "market",
    }
)
"""Reasons that follow from one block's prices, its gas or its place in the chain: the next may not give them.

`market` is the signer's own. What trades in a pool can bring most of them about on purpose.
"""


NOT_OF_RESETS = frozenset({"spot_from_twap", "gas_price", "cost"})
"""What takes a permission back is asked neither for a price nor for what gas costs: it only makes the owner safer."""


def guard(question: Question) -> GuardRefusal | None:
    """Ask every guard in order."""
    for reason, ask in GUARDS.items():
        if reason in NOT_OF_RESETS and question.only_resets:
            continue
        detail = ask(question)
        if detail is not None:
            return GuardRefusal(reason=reason, detail=detail)
    return None
