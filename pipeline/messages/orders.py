"""The state of an order at a venue of two steps: requested in one transaction, executed or cancelled in another's."""

from typing import Literal

import msgspec

from pipeline.units import RawAmount


class Requested(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="requested"):
    """The chain has an order that is neither executed nor cancelled."""


class Executed(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="executed"):
    """It was carried out."""

    size: RawAmount
    """By which the position changed, raw base, signed."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="cancelled"):
    """The chain says that it was cancelled, and why."""

    reason: str


class UnknownOrder(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unknown"):
    """The chain has the order no more and says nothing of what became of it. No age makes that a cancellation."""


SaidOutcome = Literal["executed", "cancelled"]


class SaidEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="said"):
    """The chain says nothing of what became of it, and an operator has."""

    outcome: SaidOutcome
    by: str
    reason: str


OrderState = Requested | Executed | Cancelled | UnknownOrder | SaidEnded


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order by the venue's own number."""

    number: str
    change: int
    """By which the position's size is to change, raw base, signed."""
    state: OrderState
    size_before: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """Of the position when it was requested, raw base; left out where that was not seen."""

    @property
    def waits(self) -> bool:
        """Return whether the chain may still say what becomes of it."""
        return isinstance(self.state, Requested | UnknownOrder)
