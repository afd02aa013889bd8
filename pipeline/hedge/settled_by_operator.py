"""Apply an operator's statement on an order as far as the chain leaves its fate open."""

from msgspec import UNSET
from msgspec.structs import replace

from pipeline import keys
from pipeline.messages.entries import OrderWord
from pipeline.messages.orders import (
    Cancelled,
    Executed,
    Order,
    Requested,
    SaidEnded,
    SaidOutcome,
    UnknownOrder,
)
from pipeline.messages.policy import Policy
from pipeline.state.tables import Tables
from pipeline.units import RawAmount


def order_as_said(tables: Tables, policy: Policy, order: Order | None, size: RawAmount) -> Order | None:
    """Return a position's last order, ended where an operator has said so of this order and neither chain nor size contradicts it.

    Each venue that takes orders asks this for what its position tells. A reorg takes no operator's word back; whether the word counts is
    asked of the chain as it is.
    """
    word = tables.find(keys.order_word(policy.book), OrderWord)
    if order is None or word is None or not policy.hedge or not isinstance(order.state, UnknownOrder):
        return order
    is_of_it = (word.venue, word.number, word.change) == (policy.hedge.venue, order.number, order.change)
    if not is_of_it or contradiction(order, size, word.outcome) is not None:
        return order
    return replace(order, state=SaidEnded(outcome=word.outcome, by=word.by, reason=word.reason))


def contradiction(order: Order, size: RawAmount, outcome: SaidOutcome) -> str | None:
    """Describe how a position's size contradicts an order's stated end; None where it does not, or the earlier size was not seen.

    A size that is neither the one nor the other, as after a liquidation, shows nothing.
    """
    if order.size_before is UNSET:
        return None
    if outcome == "executed" and size == order.size_before:
        return f"the position is {size} raw base, as it was before the order: nothing of it was executed"
    if outcome == "cancelled" and size == order.size_before + order.change:
        return f"the position is {size} raw base, which is what the order was to make it: it was executed"
    return None


def why_not_said(order: Order | None, number: str, size: RawAmount, outcome: SaidOutcome) -> str | None:
    """Explain why nobody can state that an order has ended so; None: an operator can."""
    if order is None or order.number != number:
        last = "there was none" if order is None else f"it is {order.number}"
        return f"order {number} is not the position's last one: {last}"
    match order.state:
        case UnknownOrder():
            return contradiction(order, size, outcome)
        case Requested():
            return f"the chain still has order {number}: it is neither executed nor cancelled"
        case Executed():
            return f"the chain says that order {number} was executed"
        case Cancelled(reason=reason):
            return f"the chain says that order {number} was cancelled: {reason}"
        case SaidEnded(outcome=said, by=by):
            return f"{by} has said that order {number} was {said}"
