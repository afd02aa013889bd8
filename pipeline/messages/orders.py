"""The state of an order at a venue of two steps: requested in one transaction, executed or cancelled in another's."""

from typing import Literal

import msgspec

from pipeline.units import RawAmount


class Requested(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="requested"):
    """The chain has an order that is neither executed nor cancelled."""


class Executed(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="executed"):
    """The order was executed."""

    size: RawAmount
    """The signed change of the position, in raw base."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="cancelled"):
    """The chain shows that the order was cancelled, and why."""

    reason: str


class UnknownOrder(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unknown"):
    """The chain no longer has the order and shows no end of it. However old it is, it does not count as cancelled."""


SaidOutcome = Literal["executed", "cancelled"]


class SaidEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="said"):
    """The chain shows no end of the order, and an operator has stated it."""

    outcome: SaidOutcome
    by: str
    reason: str


OrderState = Requested | Executed | Cancelled | UnknownOrder | SaidEnded


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order at a venue, with the venue's number and its state."""

    number: str
    change: int
    """The signed change of the position that the order requests, in raw base."""
    state: OrderState
    size_before: RawAmount | msgspec.UnsetType = msgspec.UNSET
    """The position's size when the order was requested, in raw base; left out where it was not observed."""

    @property
    def waits(self) -> bool:
        """Return whether the chain may still show the order's end."""
        return isinstance(self.state, Requested | UnknownOrder)
