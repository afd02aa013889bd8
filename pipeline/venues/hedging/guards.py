"""The guards of a hedge, in addition to those of its trades."""

from collections.abc import Mapping

from msgspec.structs import replace

from pipeline.act.allowances import read_approval
from pipeline.act.drafts import Draft
from pipeline.act.question import Guard, Question, VenueGuards
from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import CalldataError
from pipeline.hedge.port import HedgeChange, HedgeDraft, HedgeVenue
from pipeline.messages.goals import APPROVE, RESET, Step
from pipeline.messages.outcomes import GuardReason
from pipeline.venues.acting import VenueActions, VenueTrades
from pipeline.venues.hedging.foresight import ForeseenHedge, ForeseenJoint
from pipeline.venues.hedging.goal import Secured, need_hedge
from pipeline.venues.hedging.venue_price import why_far, why_old

TRADING = frozenset({"sell", "buy"})
_FREEING = frozenset({"free"})
_SECURING = frozenset({"supply", "repay", "deposit", APPROVE, RESET}) | _FREEING
UNFIT: tuple[GuardReason, ...] = (
    "reserve_paused",
    "reserve_frozen",
    "reserve_isolated",
    "reserve",
    "supply_cap",
    "borrow_cap",
    "liquidity",
    "loan_to_value",
)
"""Why a venue would not take a change."""
_YEAR_DAYS = 365


def with_trades_alone(question: Question, trades: VenueTrades | None = None) -> Question:
    """Leave of a question what its trades' venue knows: a foreseen trade as the transactions that it would be."""
    seen = question.foreseen
    if trades is not None and isinstance(seen, ForeseenHedge):
        step = "sell" if seen.trade is not None and seen.trade.sells_base else "buy"
        drafts = (
            ()
            if seen.trade is None
            else trades.draft(question.shard, question.policy, question.market, seen.trade, step=step)
        )
        return replace(question, foreseen=None, drafts=drafts)
    return _of_steps(question, TRADING)


def _of_steps(question: Question, steps: frozenset[Step]) -> Question:
    return replace(question, foreseen=None, drafts=tuple(d for d in question.drafts if d.step in steps))


class HedgeGuards:
    """The guards of one venue and one place of trade."""

    def __init__(self, venue: HedgeVenue, trading: VenueActions) -> None:
        """Bring both together."""
        self._venue, self._trading = venue, trading

    def guards(self) -> VenueGuards:
        """List them in the order in which they are asked."""
        theirs = self._trading.guards
        return VenueGuards(
            prices={
                **_of_trades(theirs.prices),
                **self.own_prices(),
            },
            sizes={
                **_of_trades(theirs.sizes),
                **self.own_sizes(),
            },
            calls={**_of_calls(theirs.calls), "not_allowed": self.not_allowed},
            passing=theirs.passing | {"oracle"},
            trading=TRADING,
            securing=_SECURING,
        )

    def own_prices(self) -> dict[GuardReason, Guard]:
        """List those that ask whether the venue's own price is to be believed."""
        return {"oracle_stale": self._oracle_age, "oracle": self._oracle}

    def own_sizes(self) -> dict[GuardReason, Guard]:
        """List those that ask whether a change of the position fits."""
        unfit: dict[GuardReason, Guard] = {reason: self._unfit_by(reason) for reason in UNFIT}
        return {**unfit, "carry": self._carry, "debt": self._debt, "health": self._health}

    def _follows_its_price(self, question: Question) -> bool:
        """Return whether health becomes worse, which must not follow from a wrong price. What was borrowed is sold all the same."""
        worse = (change.size > 0 or change.collateral < 0 for change in self._changes(question))
        return not question.is_urgent and any(worse)

    def _oracle_age(self, question: Question) -> str | None:
        """Refuse to follow a price that nobody has updated for long: it says nothing of now."""
        if not self._follows_its_price(question):
            return None
        return why_old(self._venue, question.shard, question.policy)

    def _oracle(self, question: Question) -> str | None:
        """Refuse a price that is far from the reference: the venue liquidates by it, and one of the two is wrong. What is urgent is so by that price."""
        if not self._follows_its_price(question):
            return None
        shard, policy = question.shard, question.policy
        return why_far(self._venue, shard, policy, question.market.base_price, question.prices)

    def _unfit_by(self, reason: GuardReason) -> Guard:
        """The venue must take what the phase, and the whole plan, change; make the guard that speaks where this is the first reason against it."""

        def guard(question: Question) -> str | None:
            for change in self._changes(question):
                found = self._venue.unfit(question.shard, question.policy, change)
                if found is not None:
                    return found.detail if found.reason == reason else None
            return None

        return guard

    def _debt(self, question: Question) -> str | None:
        """What is owed has a limit."""
        most = need_hedge(question.policy).largest_debt
        grows = max((change.size for change in self._changes(question)), default=0)
        if most is None or grows <= 0:
            return None
        after = self._venue.position(question.shard, question.policy).size + grows
        return f"would owe {after} base, more than {most}" if after > most else None

    def _health(self, question: Question) -> str | None:
        """Health must be at the floor after what makes it worse, and after the gap."""
        secured = Secured(self._venue, question.shard, question.policy)
        for change in self._changes(question):
            worse = change.size > 0 or change.collateral < 0
            if worse and not question.is_urgent and not secured.is_healthy(change):
                least = need_hedge(question.policy).floor_bps
                return f"the health factor would be below {least} bps of 1 after the gap"
        return None

    def _carry(self, question: Question) -> str | None:
        """What a larger size costs has a limit; one that is there is not ended by it."""
        policy, most = question.policy, need_hedge(question.policy).most_carry_bps
        for change in self._changes(question):
            if change.size <= 0:
                continue
            carry = self._venue.carry_bps(question.shard, policy, change)
            if carry is None:
                return "the venue does not tell what the position would cost"
            if carry > most:
                size = self._venue.position(question.shard, policy).size + change.size
                a_day = question.in_quote(policy.base, size) * carry // (WHOLE_BPS * _YEAR_DAYS)
                return f"{size} base would cost {carry} bps per year, {a_day} quote per day, more than {most} bps per year"
        return None

    def _changes(self, question: Question) -> tuple[HedgeChange, ...]:
        """List what the phase changes, and what the whole plan does where it begins."""
        done = HedgeChange()
        for each in question.drafts:
            if isinstance(each, HedgeDraft):
                done = done.with_more(each.change)
        seen = question.foreseen
        return (done, seen.change) if isinstance(seen, ForeseenHedge | ForeseenJoint) else (done,)

    def not_allowed(self, question: Question) -> str | None:
        """Every call must be a trade's, an approval, or one of the venue's for the owner."""
        theirs = self._trading.guards.calls.get("not_allowed")
        detail = None if theirs is None else theirs(_of_steps(question, TRADING | _FREEING))
        found = (self._wrong(question, each) for each in question.drafts)
        unknown = (
            f"step {each.step} is none of a hedge"
            for each in question.drafts
            if not isinstance(each, HedgeDraft) and each.step not in {*TRADING, *_FREEING, APPROVE, RESET}
        )
        return next((each for each in (detail, *found, *unknown) if each is not None), None)

    def _wrong(self, question: Question, each: Draft) -> str | None:
        if isinstance(each, HedgeDraft):
            return self._venue.not_allowed(question.policy, each)
        if each.step not in {APPROVE, RESET}:
            return None
        try:
            spender, _ = read_approval(each.call)
        except CalldataError as error:
            return str(error)
        granted = (
            *self._trading.grants(question.shard, question.policy),
            *self._venue.grants(question.policy),
        )
        return None if (each.call.to, spender) in granted else f"approve of {spender} at {each.call.to}"


def _of_trades(theirs: Mapping[GuardReason, Guard]) -> dict[GuardReason, Guard]:
    """Ask the trades' venue about the trades alone."""
    return {reason: _alone(ask) for reason, ask in theirs.items()}


def _of_calls(theirs: Mapping[GuardReason, Guard]) -> dict[GuardReason, Guard]:
    """Ask the trades' venue about all calls of its contracts: what is taken out of its ranges, too."""

    def of_its_calls(ask: Guard) -> Guard:
        return lambda question: ask(_of_steps(question, TRADING | _FREEING))

    return {reason: of_its_calls(ask) for reason, ask in theirs.items()}


def _alone(ask: Guard) -> Guard:
    def guard(question: Question) -> str | None:
        return ask(with_trades_alone(question))

    return guard
