"""Look up the size of each phase of a move, by its name and by the kind of move."""

from collections.abc import Callable, Mapping

from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeMove
from pipeline.messages.goals import Phase
from pipeline.venues.hedging import closing, orders
from pipeline.venues.hedging.goal import HedgeTerms
from pipeline.venues.hedging.sizes import Sized, Sizing


def size_phase(sizing: Sizing, phase: Phase, terms: HedgeTerms) -> Sized:
    """Size a phase on the book as it is. Raises: PipelineError, SwapLimitedError and UnsettledOrderError among them."""
    sizes = {**_USUAL, **_OF_MOVES.get(terms.move, {})}
    if phase not in sizes:
        raise HedgeError(f"a hedge that goes {terms.move} has no phase {phase}")
    return sizes[phase](sizing, terms)


_Size = Callable[[Sizing, HedgeTerms], Sized]
_USUAL: Mapping[Phase, _Size] = {
    "supply": Sizing.supplied,
    "borrow": Sizing.borrowed,
    "sell": Sizing.sold,
    "buy": Sizing.bought,
    "repay": Sizing.repaid,
    "withdraw": Sizing.withdrawn,
    "deposit": orders.deposited,
    "increase": orders.increased,
    "decrease": orders.decreased,
    "settle": orders.settled,
}
_OF_MOVES: Mapping[HedgeMove, Mapping[Phase, _Size]] = {
    "close": {
        "buy": closing.bought_to_close,
        "repay": closing.repaid_to_close,
        "withdraw": closing.withdrawn_to_close,
        "decrease": orders.decreased_to_close,
    },
    "close_from_collateral": {
        "withdraw": closing.withdrawn_to_buy_back,
        "buy": closing.bought_to_close,
        "repay": closing.repaid_to_close,
    },
    "secure": {
        "repay": Sizing.repaid_to_secure,
        "supply": Sizing.supplied_to_secure,
        "deposit": Sizing.supplied_to_secure,
    },
    "take_back": {"supply": Sizing.supplied_to_secure},
    "deleverage_free": {"withdraw": Sizing.withdrawn_free, "buy": Sizing.bought_to_deleverage},
    "secure_from_range": {
        "free": Sizing.freed_to_secure,
        "repay": Sizing.repaid_to_secure,
        "supply": Sizing.supplied_to_secure,
    },
    "secure_by_purchase": {"buy": Sizing.bought_to_secure, "repay": Sizing.repaid_to_secure},
    "deleverage": {
        "withdraw": Sizing.withdrawn_to_repay,
        "buy": Sizing.bought_to_deleverage,
        "decrease": orders.decreased_to_deleverage,
    },
}
