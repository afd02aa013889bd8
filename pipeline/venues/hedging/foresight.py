"""Compute the result of a hedge's plan before anything of it is commanded."""

from collections.abc import Callable, Mapping
from typing import get_args

import msgspec

from pipeline.act.allowances import APPROVE_GAS
from pipeline.act.foresight import Foreseen, Trade
from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.errors import HedgeError
from pipeline.hedge.aim import HedgeAim
from pipeline.hedge.port import HedgeChange, HedgePhase, HedgePosition, HedgeVenue
from pipeline.hedge.target import centre_of, target_of
from pipeline.messages.goals import Phase, Step
from pipeline.messages.policy import Policy
from pipeline.units import Bps, RawAmount
from pipeline.venues.hedging.goal import HedgeTerms, need_hedge
from pipeline.venues.hedging.orders import more_wanted
from pipeline.venues.hedging.phase_sizes import size_phase
from pipeline.venues.hedging.sizes import HedgePlaces, Sized, Sizing

USUAL_TRADE_GAS, USUAL_APPROVAL_GAS = 125_000, 40_000
_ROUNDED_PARTS = 1_000_000
"""Of what is wanted a smaller part is what roundings let be borrowed, on nothing too."""


class ForeseenHedge(Foreseen, frozen=True, kw_only=True):
    """A hedge's plan as it would go at the prices of now."""

    trade: Trade | None
    change: HedgeChange
    off_before_bps: int
    """How far the net exposure is from its target, beyond where a step ends, of all base."""
    off_after_bps: int

    def deviations(self, policy: Policy) -> tuple[int, int]:
        """Return how far the net exposure is and would be from where a step is to end."""
        del policy
        return self.off_before_bps, self.off_after_bps


class ForeseenJoint(Foreseen, frozen=True, kw_only=True):
    """A re-range and a step of the hedge as they would go together."""

    ranges: Foreseen
    """The range's part, with what is borrowed, or without what is repaid."""
    change: HedgeChange


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    terms: HedgeTerms
    done: dict[Step, Sized]
    """By step, what it moves."""
    cut_short: str = ""

    @property
    def trade(self) -> Trade | None:
        """Find the one trade."""
        return next((each.trade for each in self.done.values() if each.trade is not None), None)

    def amount(self, step: Step) -> int:
        """Return what a step moves."""
        return self.done[step].amount if step in self.done else 0


def foresee_hedge(
    sizing: Sizing, at: HedgePlaces, policy: Policy, terms: HedgeTerms, stock: Stock, *, aim: HedgeAim
) -> tuple[HedgeTerms, ForeseenHedge]:
    """Size every phase in thought; where not all can be had, the terms are those of the largest step.

    Raises: HedgeError where nothing can be done; PipelineError.
    """
    names = {each.name for each in at.venue.phases(terms.move)}
    foresee = next((foresee for phase, foresee in _LARGER.items() if phase in names), None)
    made = _other(sizing, at.venue, terms) if foresee is None else foresee(sizing, terms)
    target = target_of(need_hedge(policy), aim, sizing.net, sizing.held)
    if target is not None and not target.whole and not made.cut_short:
        made = msgspec.structs.replace(made, cut_short="hedge.largest_step is less than the whole way")
    made = msgspec.structs.replace(made, done={step: each for step, each in made.done.items() if each.amount})
    if not made.done:
        raise HedgeError(f"there is nothing with which the hedge could go {terms.move}")
    price, secures = stock.prices[policy.base], sizing.price_of_collateral(stock.prices)
    of = {name: made.amount(name) for name in get_args(HedgePhase)}
    smaller = min(of["repay"] + of["decrease"], sizing.held.size)
    added, taken = of["supply"] + of["deposit"], of["withdraw"]
    change = HedgeChange(size=of["borrow"] + of["increase"] - smaller, collateral=added - taken)
    moved = (
        made.trade.quote
        if made.trade is not None
        else price.value(of["repay"] + of["increase"] + of["decrease"]) + secures.value(added + taken)
    )
    gas_limit, gas_expected, transactions = gas_of(at, made.done)
    before, after = _off(sizing.held, policy, aim, sizing.net, made)
    return made.terms, ForeseenHedge(
        moved_quote=RawAmount(moved),
        gas_limit=gas_limit + transactions * policy.chain.data_gas,
        gas_expected=gas_expected + transactions * policy.chain.data_gas,
        transactions=transactions,
        share_before_bps=stock.base_share_bps,
        share_after_bps=stock.base_share_bps,
        was_idle=False,
        is_active=True,
        deploys=True,
        deployed_quote=RawAmount(moved),
        most_deployed_quote=RawAmount(moved),
        fits=True,
        cut_short=made.cut_short,
        trade=made.trade,
        change=change,
        off_before_bps=before,
        off_after_bps=after,
    )


def _up(sizing: Sizing, terms: HedgeTerms) -> _Plan:
    """Borrow what the wallet lacks for the sale, as far as prices and collateral allow."""
    sale = sizing.sale(terms)
    if sale is None:
        raise HedgeError("the net exposure is no longer above where it is to end")
    why = sale.limited
    wanted = max(sale.base - sizing.wallet.base, 0)
    collateral = sizing.secured.most_supplied(sizing.wallet.collateral)
    most = sizing.secured.most_more(wanted, collateral)
    borrow = most if most * _ROUNDED_PARTS >= wanted else RawAmount(0)
    if not borrow and wanted > sizing.wallet.base:
        borrow, collateral = RawAmount(wanted), sizing.wallet.collateral  # for the guards to say why not
    elif borrow < wanted:
        why = f"of {wanted} base, {most} can be borrowed: {sizing.secured.why_no_more(most + 1, collateral)}"
        sale = sizing.trade(sizing.wallet.base + borrow)
    supply = sizing.secured.missing_for(borrow, collateral)
    if why:
        terms = msgspec.structs.replace(terms, net_base=max(terms.net_base, sizing.net - sale.base))
    done: dict[Step, Sized] = {
        "supply": Sized(amount=supply),
        "borrow": Sized(amount=borrow),
        "sell": Sized(amount=sale.base, trade=sale),
    }
    return _Plan(terms=terms, done=done, cut_short=why)


def _increase(sizing: Sizing, terms: HedgeTerms) -> _Plan:
    """Order what brings the net exposure down, as far as margin and venue allow."""
    wanted, why = more_wanted(sizing, terms), ""
    if not wanted:
        raise HedgeError("the net exposure is no longer above where it is to end")
    margin = sizing.secured.most_supplied(sizing.wallet.collateral)
    size = sizing.secured.most_more(wanted, margin) // sizing.step * sizing.step
    if not size:
        size, margin = wanted, sizing.wallet.collateral  # for the guards to say why not
    elif size < wanted:
        why = f"of {wanted} base, {size} can be had: {sizing.secured.why_no_more(size + sizing.step, margin)}"
        terms = msgspec.structs.replace(terms, net_base=max(terms.net_base, sizing.net - size))
    deposit = sizing.secured.missing_for(size, margin)
    done: dict[Step, Sized] = {
        "deposit": Sized(amount=deposit),
        "increase": Sized(amount=RawAmount(size)),
    }
    return _Plan(terms=terms, done=done, cut_short=why)


_LARGER: Mapping[Phase, Callable[[Sizing, HedgeTerms], _Plan]] = {"borrow": _up, "increase": _increase}
"""By the phase that makes the position larger."""


def _other(sizing: Sizing, venue: HedgeVenue, terms: HedgeTerms) -> _Plan:
    """Size what is bought on the book as it is, and what follows from it as if it had come."""
    done: dict[Step, Sized] = {}
    for phase in (each.name for each in venue.phases(terms.move)[:-1]):
        done[phase] = size_phase(sizing.after(done), phase, terms)
    trade = _Plan(terms=terms, done=done).trade
    short = "" if trade is None else trade.limited
    if trade is not None and not short and terms.move == "down" and trade.base + sizing.net < terms.net_base:
        short = f"the wallet's quote buys {trade.base} base"
    if short and terms.move == "down" and trade is not None:
        terms = msgspec.structs.replace(terms, net_base=min(terms.net_base, sizing.net + trade.base))
    return _Plan(terms=terms, done=done, cut_short=short)


_GIVES: frozenset[Step] = frozenset({"borrow", "withdraw", "free", "increase", "decrease"})
"""Steps for which nobody has to be allowed anything."""


def gas_of(at: HedgePlaces, done: dict[Step, Sized]) -> tuple[int, int, int]:
    """Add up limits and what is usual; count the transactions: each that pays something is allowed it before."""
    approvals = sum(1 for step in done if step not in _GIVES)
    found = [_gas_of(at, step, sized) for step, sized in done.items()]
    limits, usual, transactions = (sum(each) for each in zip(*found, strict=True))
    return (
        limits + approvals * APPROVE_GAS,
        usual + approvals * USUAL_APPROVAL_GAS,
        transactions + approvals,
    )


def _gas_of(at: HedgePlaces, step: Step, sized: Sized) -> tuple[int, int, int]:
    """Return a step's limit, what it usually uses, and its transactions."""
    if sized.freed is not None and at.freeing is not None:
        freed = sized.freed
        return freed.gas_limit, at.freeing.usual_gas * freed.transactions, freed.transactions
    limit = at.venue.gas_limits.get(step, at.trades.gas_limit)
    return limit, at.venue.usual_gas.get(step, USUAL_TRADE_GAS), 1


def _off(held: HedgePosition, policy: Policy, aim: HedgeAim, net: int, made: _Plan) -> tuple[int, int]:
    """Return how far the net exposure is, and would be, from where steps end, in bps of all base."""
    hedge, base = need_hedge(policy), max(net + held.size, 1)
    if made.terms.move not in {"up", "down"}:
        return 1, 0
    centre, back_to = centre_of(hedge, net + held.size, aim.ratio_bps), base * aim.back_to_bps // WHOLE_BPS

    def off(at: int) -> int:
        return Bps(max(abs(at - centre) - back_to, 0) * WHOLE_BPS // base)

    return off(net), off(made.terms.net_base)
