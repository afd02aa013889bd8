"""A hedge's own reasons not to act, beside those of its trades."""

from collections.abc import Mapping

from msgspec.structs import replace

from pipeline.act.allowances import read_approval
from pipeline.act.drafts import Draft
from pipeline.act.question import Guard, Question, VenueGuards
from pipeline.errors import CalldataError
from pipeline.hedge.port import HedgeChange, HedgeDraft, HedgeVenue
from pipeline.messages.goals import APPROVE, RESET
from pipeline.messages.outcomes import GuardReason
from pipeline.venues.acting import VenueActions, VenueTrades
from pipeline.venues.hedging.foresight import ForeseenHedge
from pipeline.venues.hedging.goal import Secured, need_hedge

TRADING = frozenset({"sell", "buy"})


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
    return replace(question, foreseen=None, drafts=tuple(d for d in question.drafts if d.step in TRADING))


class HedgeGuards:
    """The guards of one venue and one place of trade."""

    def __init__(self, venue: HedgeVenue, trading: VenueActions) -> None:
        """Bring both together."""
        self._venue, self._trading = venue, trading

    def guards(self) -> VenueGuards:
        """List them in the order in which they are asked."""
        theirs = self._trading.guards
        return VenueGuards(
            prices={**_of_trades(theirs.prices), "oracle": self._oracle},
            sizes={
                **_of_trades(theirs.sizes),
                "reserve": self._reserve,
                "debt": self._debt,
                "health": self._health,
            },
            calls={**_of_trades(theirs.calls), "not_allowed": self._not_allowed},
            passing=theirs.passing | {"oracle"},
            trading=TRADING,
        )

    def _oracle(self, question: Question) -> str | None:
        """The venue liquidates by its own price: one that is far from the reference is wrong, or ours is. What is urgent is so by that price."""
        if question.only_resets or question.is_urgent:
            return None
        price, most = question.market.base_price, need_hedge(question.policy).oracle_within_bps
        apart = self._venue.price_apart_bps(question.shard, question.policy, *price.ratio)
        if apart is None:
            return "the venue has no price of base and quote"
        return (
            f"the venue's price is {apart} bps from the reference, more than {most}" if apart > most else None
        )

    def _reserve(self, question: Question) -> str | None:
        """The venue must take what the phase, and the whole plan, change."""
        for change in self._changes(question):
            found = self._venue.unfit(question.shard, question.policy, change)
            if found is not None:
                return found.detail
        return None

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

    def _changes(self, question: Question) -> tuple[HedgeChange, ...]:
        """List what the phase changes, and what the whole plan does where it begins."""
        done = HedgeChange()
        for each in question.drafts:
            if isinstance(each, HedgeDraft):
                done = done.with_more(each.change)
        seen = question.foreseen
        return (done, seen.change) if isinstance(seen, ForeseenHedge) else (done,)

    def _not_allowed(self, question: Question) -> str | None:
        """Every call must be a trade's, an approval, or one of the venue's for the owner."""
        theirs = self._trading.guards.calls.get("not_allowed")
        detail = None if theirs is None else theirs(with_trades_alone(question))
        found = (self._wrong(question, each) for each in question.drafts)
        unknown = (
            f"step {each.step} is none of a hedge"
            for each in question.drafts
            if not isinstance(each, HedgeDraft) and each.step not in {*TRADING, APPROVE, RESET}
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


def _alone(ask: Guard) -> Guard:
    def guard(question: Question) -> str | None:
        return ask(with_trades_alone(question))

    return guard
