"""Alerts about operators' statements on hedge orders, on `decisions.v1` like all alerts."""

from pipeline.messages.base import Output
from pipeline.messages.orders import Order, SaidOutcome
from pipeline.units import BookId, RawAmount


class OrderEndTaken(Output, frozen=True, kw_only=True, tag=True):
    """A hedge order has ended by an operator's statement, because the chain shows no end of it; the hedge goes on."""

    book: BookId
    venue: str
    order: Order
    """The order, with the stated end as its state."""
    size: RawAmount
    """The position's size at the venue, in raw base; the statement does not change it."""


class OrderEndRefused(Output, frozen=True, kw_only=True, tag=True):
    """An operator's statement on an order was refused, with the reason; it changed nothing."""

    book: BookId
    order: str
    """The number in the statement."""
    outcome: SaidOutcome
    says: str
    by: str


AnyOrderWord = OrderEndTaken | OrderEndRefused
