"""Size each phase of a hedge's plan on the book as it is when the phase is due."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import NamedTuple, get_args

import msgspec

from pipeline.act.foresight import Freed, Market, Trade
from pipeline.book.feeds import undated_feed
from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeChange, HedgeMove, HedgePhase, HedgePosition, HedgeVenue
from pipeline.math.search import first_where
from pipeline.math.slippage import most_of_quote
from pipeline.messages.base import Price
from pipeline.messages.goals import Phase
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.acting import VenueFreeing, VenueTrades
from pipeline.venues.hedging.goal import (
    HedgeTerms,
    InWallet,
    Secured,
    collateral_price,
    in_wallet,
    need_hedge,
    price_to_secure,
)

LEAST_PARTS = 10
"""Of what is wanted such a part must be to be had: less is not worth its gas."""
MOST_HUNDREDTHS = 99
"""Of its liquidity a book gives up: with none at all nothing would tell that it is to earn again."""
_LEAST_WITHDRAWAL_PERCENT = 50
"""Of the way from health 1 to the health at which it acts a withdrawal leaves this much, before what it pays for is repaid."""


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """A phase's amount; of a trade, how it would go."""

    amount: RawAmount
    trade: Trade | None = None
    freed: Freed | None = None
    """What of the book's liquidity is taken out; the amount is its hundredths."""
    everything: bool = False
    """Whatever is there when it is mined."""


NOTHING = Sized(amount=RawAmount(0))


def part_or_all(part: int, wanted: int) -> RawAmount:
    """Take the part of what is wanted that can be had; where that is next to nothing, all of it: the guards say why not."""
    return RawAmount(part if part * LEAST_PARTS >= wanted else wanted)


class HedgePlaces(NamedTuple):
    """Where a hedge has its position, where its base is traded, and how liquidity is taken out there."""

    venue: HedgeVenue
    trades: VenueTrades
    freeing: VenueFreeing | None = None


class Sizing:
    """One book at one block: its hedge's position, its wallet, and the market for its trades."""

    def __init__(
        self, at: HedgePlaces, shard: Shard, policy: Policy, market: Market, *, net: int, move: HedgeMove
    ) -> None:
        """Take what sizes follow from. Raises: PipelineError where the position is not known."""
        self._venue, self._trades, self._freeing = at
        self._shard, self.policy, self._market = shard, policy, market
        self.net, self.step = net, at.venue.step
        self.held: HedgePosition = at.venue.position(shard, policy)
        self.wallet: InWallet = in_wallet(shard, policy, move)
        self.secured = Secured(at.venue, shard, policy)
        self.waits_for_feed = undated_feed(shard.tables, policy)
        """The feed for whose answer purchases wait; None: they do not."""

    def price_of_collateral(self, prices: Mapping[Address, Price]) -> Price:
        """Find the price at which collateral is counted: the book's own, and where a value feed has none the venue's. Raises: HedgeError."""
        if self.waits_for_feed is None:
            return collateral_price(self.policy, prices)
        return price_to_secure(self._venue, self._shard, self.policy, prices)

    def after(self, done: Mapping[Phase, Sized]) -> "Sizing":
        """Take phases as done; of trades only purchases, of orders only what takes off the size."""
        moved = {name: done[name].amount if name in done else 0 for name in get_args(HedgePhase)}
        repaid, taken_off = (min(moved[name], self.held.size) for name in ("repay", "decrease"))
        added, borrowed = moved["supply"] + moved["deposit"], moved["borrow"]
        bought, paid = _exchanged(done.values())
        freed_base, freed_quote = _freed(done.values())
        then = copy(self)
        then.net = self.net + bought + taken_off
        then.wallet = self.wallet.changed(
            base=bought + borrowed + freed_base - repaid,
            quote=freed_quote - paid,
            collateral=moved["withdraw"] - added,
        )
        change = HedgeChange(size=borrowed - repaid - taken_off, collateral=added - moved["withdraw"])
        then.held = HedgePosition(
            size=RawAmount(self.held.size + change.size),
            collateral=RawAmount(self.held.collateral + change.collateral),
            health_bps=None,
        )
        then.secured = Secured(self._venue, self._shard, self.policy, change)
        return then

    # -------------------------------------------------------------- up
    def supplied(self, terms: HedgeTerms) -> Sized:
        """Add what collateral is missing for what is to be borrowed, with a spare part for the interest of some blocks, as far as the venue takes it."""
        return Sized(amount=self.secured.to_add_before(self._borrowed(terms), self.wallet.collateral))

    def borrowed(self, terms: HedgeTerms) -> Sized:
        """Borrow what the wallet lacks for the sale, or the part of it that can be had; where that is next to nothing, the guards say why."""
        wanted = self._borrowed(terms)
        return Sized(amount=part_or_all(self.secured.most_more(wanted, 0), wanted))

    def sale(self, terms: HedgeTerms) -> Trade | None:
        """Run the sale in thought that brings the net exposure down to where it is to end."""
        less = self.net - terms.net_base
        if less <= 0:
            return None
        return self._trades.trade_for(self._shard, self.policy, self._market, less)

    def trade(self, base: int) -> Trade:
        """Simulate a trade that sells an amount of base, or buys it."""
        return self._trades.trade(self._shard, self.policy, self._market, base)

    def _borrowed(self, terms: HedgeTerms) -> RawAmount:
        sale = self.sale(terms)
        return RawAmount(0 if sale is None else max(sale.base - self.wallet.base, 0))

    def sold(self, terms: HedgeTerms) -> Sized:
        """Sell down to where the net exposure is to end."""
        sale = self.sale(terms)
        if sale is None or not self.wallet.base:
            return NOTHING
        if sale.base > self.wallet.base:
            sale = self.trade(self.wallet.base)
        return Sized(amount=sale.base, trade=sale)

    # -------------------------------------------------------------- down
    def bought(self, terms: HedgeTerms) -> Sized:
        """Buy up to where the net exposure is to end, no more than is owed, as far as the wallet's quote goes."""
        more = terms.net_base - self.net
        if more <= 0:
            return NOTHING
        trade = self._trades.trade_for(self._shard, self.policy, self._market, -more)
        needed = max(self.held.size - self.wallet.base, 0)
        return self.affordable(min(trade.base, needed))

    def repaid(self, terms: HedgeTerms) -> Sized:
        """Repay with what the wallet has."""
        del terms
        return Sized(amount=RawAmount(min(self.held.size, self.wallet.base)))

    def withdrawn(self, terms: HedgeTerms) -> Sized:
        """Take back the collateral that is not needed, as far as the venue pays it out."""
        del terms
        return self.paid_out(self.secured.free_of(self.held))

    def paid_out(self, wanted: int) -> Sized:
        """Take out an amount of collateral as far as the venue pays it out.

        Where it pays nothing, all of it, and the guards say why; behind a repayment nothing, for that does not wait for it.
        """
        most = self.secured.most_withdrawn(wanted)
        return Sized(amount=RawAmount(most or (0 if self.secured.repays else wanted)))

    # -------------------------------------------------------------- what the wallet pays for
    def affordable(self, base: int) -> Sized:
        """Buy an amount of base, or as much as the wallet's quote pays for. Raises: HedgeError where it pays for nothing."""
        if not base:
            return NOTHING
        trade = self.trade(-base)
        if self.costs(trade) <= self.wallet.quote:
            return Sized(amount=trade.base, trade=trade)
        return self._bought_with(self.wallet.quote)

    def _bought_with(self, quote: int) -> Sized:
        needed = self.with_interest(self.held.size) - self.wallet.base
        if needed <= 0:
            return NOTHING
        dear = first_where(lambda base: self.costs(self.trade(-base)) > quote, 1, needed, needed)
        if dear <= 1:
            raise HedgeError(f"the wallet's {quote} quote buys no base")
        trade = self.trade(-(dear - 1))
        return Sized(amount=trade.base, trade=trade)

    def costs(self, trade: Trade) -> RawAmount:
        """Return what a purchase may come to by the time that it is mined: the wallet must have that, or it reverts."""
        return most_of_quote(trade.quote, self.policy.limits.swap_tolerance_bps)

    def with_interest(self, size: RawAmount) -> RawAmount:
        """Return the most that a debt may have become when a transaction that repays it is mined."""
        return self._venue.with_interest(size)

    # -------------------------------------------------------------- at once
    def repaid_to_secure(self, terms: HedgeTerms) -> Sized:
        """Repay with the wallet's base, until health is at the floor."""
        del terms
        return Sized(amount=self.secured.too_much_owed(self.held, 0, self.wallet.base))

    def supplied_to_secure(self, terms: HedgeTerms) -> Sized:
        """Supply of the wallet's collateral, until health is at the floor; where the venue takes nothing, the guards say why."""
        del terms
        wanted = self.secured.missing_now(self.wallet.collateral)
        return Sized(amount=RawAmount(self.secured.most_supplied(wanted) or wanted))

    def bought_to_secure(self, terms: HedgeTerms) -> Sized:
        """Buy with the wallet's quote what its base lacks to repay until health is at the floor, as far as the quote goes."""
        del terms
        owed = self.secured.too_much_owed(self.held, 0, self.held.size)
        return self.affordable(max(owed - self.wallet.base, 0))

    def is_secured_by(self, done: Mapping[Phase, Sized], terms: HedgeTerms) -> bool:
        """Return whether health is at the floor once the wallet is used too: its base, its collateral, and what its quote buys where that is none.

        A purchase is taken at the reference price, without fee and impact; while it waits for a value feed it does not count.
        """
        then = self.after({**done, "repay": self.after(done).repaid_to_secure(terms)})
        most = then.secured.most_supplied(then.wallet.collateral)
        if then.secured.is_healthy(HedgeChange(collateral=most)):
            return True
        if self.policy.collateral_token == self.policy.quote or self.waits_for_feed:
            return False
        supplied = {**done, "supply": Sized(amount=RawAmount(most)), "buy": then.bought_at_reference()}
        then = self.after({**supplied, "repay": self.after(supplied).repaid_to_secure(terms)})
        return then.secured.is_healthy(HedgeChange())

    def bought_at_reference(self) -> Sized:
        """Take the wallet's quote as spent on what is owed, at the reference price. Rounds: the base down."""
        price = self._market.base_price
        base = min(self.wallet.quote * price.denominator // price.numerator, self.held.size)
        trade = Trade(sells_base=False, base=RawAmount(base), quote=price.value(base))
        return Sized(amount=trade.base, trade=trade)

    def freed_to_secure(self, terms: HedgeTerms) -> Sized:
        """Take out of the book's ranges the least with which health is at the floor, once the wallet's own is used."""
        if self._freeing is None:
            raise HedgeError("nothing tells how the book's liquidity is taken out")
        freeing = self._freeing

        def freed(hundredths: int) -> Sized:
            found = freeing.freed(self._shard, self.policy, hundredths)
            return Sized(amount=RawAmount(hundredths), freed=found)

        def suffices(hundredths: int) -> bool:
            return self.is_secured_by({"free": freed(hundredths)} if hundredths else {}, terms)

        least = first_where(suffices, 0, MOST_HUNDREDTHS, 0)
        return freed(min(least, MOST_HUNDREDTHS)) if least else NOTHING

    def bought_to_deleverage(self, terms: HedgeTerms) -> Sized:
        """Buy with all of the wallet's quote what is owed."""
        del terms
        return self._bought_with(self.wallet.quote)

    def withdrawn_to_repay(self, terms: HedgeTerms) -> Sized:
        """Take out collateral to repay with, as much as leaves half of the way from health 1 to where the hedge acts."""
        del terms
        spare_bps = need_hedge(self.policy).act_bps - WHOLE_BPS
        return self.withdrawn_down_to(WHOLE_BPS + spare_bps * _LEAST_WITHDRAWAL_PERCENT // 100)

    def withdrawn_free(self, terms: HedgeTerms) -> Sized:
        """Take out collateral to repay with that health does not rest on: where it does not count, or nothing is owed."""
        del terms
        health_bps = self.held.health_bps
        return self.withdrawn_down_to(WHOLE_BPS if health_bps is None else health_bps)

    def withdrawn_down_to(self, least_bps: int) -> Sized:
        """Take out the most collateral that the venue pays out and that leaves this health factor."""
        most = self.secured.most_withdrawn(self.held.collateral) or self.held.collateral

        def goes_too_far(less: int) -> bool:
            health = self._venue.health_after(self._shard, self.policy, HedgeChange(collateral=-less))
            return health is not None and health < least_bps

        return (
            Sized(amount=RawAmount(first_where(goes_too_far, 1, most, most // 10) - 1)) if most else NOTHING
        )


def _exchanged(done: Iterable[Sized]) -> tuple[int, int]:
    """Return which base purchases brought, and what quote they took."""
    trades = [each.trade for each in done if each.trade is not None]
    return sum(each.base for each in trades), sum(each.quote for each in trades)


def _freed(done: Iterable[Sized]) -> tuple[int, int]:
    """Return what base and quote came out of the book's ranges."""
    found = [each.freed for each in done if each.freed is not None]
    return sum(each.base for each in found), sum(each.quote for each in found)
