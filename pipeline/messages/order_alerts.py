"""Alerts about operators' statements on hedge orders, on `decisions.v1` like all alerts."""

from pipeline.messages.base import Output
from pipeline.messages.orders import Order, SaidOutcome
from pipeline.units import BookId, RawAmount


class OrderEndTaken(Output, frozen=True, kw_only=True, tag=True):
    """By an operator's word an order of the hedge, of which the chain says nothing, has ended; the hedge goes on."""

    book: BookId
    venue: str
    order: Order
    """As it stands by that word."""
    size: RawAmount
    """Of the position as the venue shows it, raw base: the word does not change it."""


class OrderEndRefused(Output, frozen=True, kw_only=True, tag=True):
    """An operator's word on an order does not count, and why. Nothing is changed by it."""

    book: BookId
    order: str
    """The number that was named."""
    outcome: SaidOutcome
    says: str
    by: str


AnyOrderWord = OrderEndTaken | OrderEndRefused
