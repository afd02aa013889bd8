"""The phases of a hedge at a venue that takes orders in whole steps, without a trade of our own.

One order is out at a time. What became of it is the chain's to tell, whatever its age: until then no second one is made.
"""

from pipeline.errors import UnsettledOrderError
from pipeline.hedge.port import whole_steps
from pipeline.messages.orders import Cancelled, Executed, Order, Requested, SaidEnded, UnknownOrder
from pipeline.units import RawAmount
from pipeline.venues.hedging.goal import HedgeTerms
from pipeline.venues.hedging.sizes import NOTHING, Sized, Sizing, part_or_all


def deposited(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Add what margin is missing for what is to be added, as far as the venue takes it."""
    wanted = _in_steps(sizing, sizing.net - terms.net_base)
    return Sized(amount=sizing.secured.to_add(wanted, sizing.wallet.collateral))


def increased(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Order what brings the net exposure down to where it is to end, or the part of it that can be had.

    Where that is next to nothing, all of it: the guards say why.
    Raises: HedgeError where it is less than a step; UnsettledOrderError.
    """
    wanted = more_wanted(sizing, terms)
    part = _in_steps(sizing, sizing.secured.most_more(wanted, 0))
    return Sized(amount=part_or_all(part, wanted))


def more_wanted(sizing: Sizing, terms: HedgeTerms) -> int:
    """Return what brings the net exposure down to where it is to end; 0 where it is there. Rounds: down to a step.

    Raises: HedgeError where it is less than a step; UnsettledOrderError.
    """
    check_settled(sizing.held.order)
    less = sizing.net - terms.net_base
    return whole_steps(less, sizing.step) if less > 0 else 0


def decreased(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Order what brings the net exposure up to where it is to end, no more than there is.

    Raises: HedgeError where it is less than a step; UnsettledOrderError.
    """
    check_settled(sizing.held.order)
    more = min(terms.net_base - sizing.net, sizing.held.size)
    return Sized(amount=whole_steps(more, sizing.step)) if more > 0 else NOTHING


def decreased_to_close(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Order an end to all of it. Raises: UnsettledOrderError."""
    del terms
    check_settled(sizing.held.order)
    return Sized(amount=sizing.held.size)


def decreased_to_deleverage(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Order the least off the size that brings health to the floor. Rounds: up to a step. Raises: UnsettledOrderError."""
    del terms
    check_settled(sizing.held.order)
    least = sizing.secured.too_much_owed(sizing.held, 0, sizing.held.size)
    return Sized(amount=RawAmount(min(-(-least // sizing.step) * sizing.step, sizing.held.size)))


def settled(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Move nothing once the order is carried out.

    Raises: UnsettledOrderError while it is not, and where it was cancelled though what it was for is still to be done.
    """
    order = sizing.held.order
    check_settled(order)
    match None if order is None else order.state:
        case Cancelled(reason=reason) | SaidEnded(outcome="cancelled", reason=reason):
            if _is_wanted(sizing, terms):
                said = f"order {_number(order)} was cancelled: {reason}"
                raise UnsettledOrderError(said, reason="order_cancelled")
    return NOTHING


def check_settled(order: Order | None) -> None:
    """Make sure that no order may still change the position. Raises: UnsettledOrderError."""
    match None if order is None else order.state:
        case Requested():
            raise UnsettledOrderError(
                f"order {_number(order)} is neither executed nor cancelled", reason="order_requested"
            )
        case UnknownOrder():
            raise UnsettledOrderError(
                f"the chain does not say what became of order {_number(order)}", reason="order_unknown"
            )
        case None | Executed() | Cancelled() | SaidEnded():
            return


def _number(order: Order | None) -> str:
    return "" if order is None else order.number


def _is_wanted(sizing: Sizing, terms: HedgeTerms) -> bool:
    """Return whether a step or more of what the move is for is left."""
    match terms.move:
        case "up":
            return sizing.net - terms.net_base >= sizing.step
        case "down":
            return min(terms.net_base - sizing.net, sizing.held.size) >= sizing.step
        case "close":
            return sizing.held.size > 0
        case _:
            return decreased_to_deleverage(sizing, terms).amount > 0


def _in_steps(sizing: Sizing, amount: int) -> RawAmount:
    return RawAmount(max(amount, 0) // sizing.step * sizing.step)
