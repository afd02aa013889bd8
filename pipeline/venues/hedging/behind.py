"""Size the phase of a hedge that goes out behind an earlier one in the same block: it must do no harm where that one comes to nothing.

What is allowed for it goes with it. A contract of a hedge takes only from who calls it, so an allowance that was given in vain costs its gas.
"""

from collections.abc import Iterable, Mapping

from pipeline import keys
from pipeline.act.drafts import Draft
from pipeline.hedge.port import HedgeChange, HedgeVenue
from pipeline.messages.goals import APPROVE, Phase
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.venues.hedging.goal import HedgeTerms
from pipeline.venues.hedging.phase_sizes import size_phase
from pipeline.venues.hedging.sizes import Sized, Sizing
from pipeline.venues.wallet.forms import Balance

BEHIND: Mapping[Phase, Phase] = {"supply": "borrow", "borrow": "sell", "buy": "repay", "repay": "supply"}
"""By phase, which one may go out with it."""
_REFUSED_PARTS = 2
"""The venue must refuse even this part of a borrowing without its collateral, so that no move of the price lets it through."""


def size_behind(sizing: Sizing, terms: HedgeTerms, first: Iterable[Draft]) -> tuple[Phase, Sized]:
    """Name the phase behind earlier ones' transactions, and size it as if those had brought what they must.

    A borrowing brings its amount, and a purchase is of an exact output. Raises: PipelineError, SwapLimitedError among them.
    """
    done: dict[Phase, Sized] = {}
    for step in dict.fromkeys(each.step for each in first if each.step != APPROVE):
        done[step] = size_phase(sizing.after(done), step, terms)
        phase = BEHIND[step]
    return phase, size_phase(sizing.after(done), phase, terms)


def is_harmless_alone(
    venue: HedgeVenue, shard: Shard, policy: Policy, phase: Phase, *, amount: int, usable_base: int
) -> bool:
    """Return whether a phase may be mined though nothing comes of the one before it.

    A sale and a repayment must not take base out of the reserve: the amount is usable now, or it is more than the wallet has, so that it
    reverts. A borrowing must be refused, by far, without what is to be supplied before it. Collateral may always be added.
    `usable_base`: what the wallet has beyond the reserve, now.
    """
    match phase:
        case "supply":
            return True
        case "borrow":
            return venue.unfit(shard, policy, HedgeChange(size=amount // _REFUSED_PARTS)) is not None
    held = shard.tables.need(keys.balance(policy.owner, policy.base), Balance).amount
    return not usable_base < amount <= held
