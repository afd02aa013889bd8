"""Choose the sources with which a low health factor is restored, in their order, and what a plan takes of each.

The wallet's base, what it has of the collateral, collateral that health does not rest on, the book's ranges: none of them makes the health
factor worse on the way. Collateral that health rests on comes last: it has to be withdrawn before it repays, and traded at a price that has
just moved. Where the collateral is not the quote, no plan trades it: what the wallet's quote buys repays in its place.
"""

from collections.abc import Callable, Mapping

from pipeline.act.foresight import Market
from pipeline.book.feeds import UndatedFeed
from pipeline.book.inventory import Stock
from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeChange, HedgeMove, HedgeVenue
from pipeline.messages.goals import Phase
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Seconds, Wei
from pipeline.venues.hedging.goal import HedgeTerms, need_hedge
from pipeline.venues.hedging.orders import decreased_to_deleverage
from pipeline.venues.hedging.sizes import MOST_HUNDREDTHS, NOTHING, HedgePlaces, Sizing

_LEAST_PARTS = 20
"""Such a part of what is owed a source must come to: less is not worth a plan of its own, unless there is no other."""


_NEXT_TO_NOTHING_PARTS = 1_000


def move_at_once(at: HedgePlaces, shard: Shard, policy: Policy, stock: Stock) -> HedgeMove:
    """Choose the wallet alone where it leads back to where the hedge acts, else the first further source that comes to something.

    Only moves that the venue has are asked for. Where none does, the one that comes to most; of free collateral that is a rounding. What the wallet has is used by each of them.
    Raises: HedgeError where all come to next to nothing and collateral is not sold; PipelineError.
    """
    sources = _Sources(at, shard, policy, stock)
    if sources.wallet_suffices():
        return "secure"
    asked: Mapping[HedgeMove, Callable[[], int]] = {
        "deleverage_free": sources.free_collateral,
        "secure_from_range": sources.ranges,
        "secure": sources.wallet,
        "secure_by_purchase": sources.purchase,
        "deleverage": sources.position,
    }
    may = [move for move in asked if names_of(at.venue, policy, move) and sources.may_move(move)]
    worths = {move: asked[move]() for move in may}
    owed = stock.prices[policy.base].value(sources.owed)
    nothing_sold = policy.collateral_token != policy.quote or sources.waits_for_feed is not None
    if nothing_sold and max(worths.values()) * _NEXT_TO_NOTHING_PARTS < owed:
        raise HedgeError(_what_secures(policy, sources.waits_for_feed))
    much = [move for move in worths if worths[move] * _LEAST_PARTS >= owed]
    return (
        much[0] if much else max((m for m in worths if m != "deleverage_free"), key=lambda move: worths[move])
    )


def _what_secures(policy: Policy, waits_for: UndatedFeed | None) -> str:
    """Describe what an operator can do where no plan secures what is owed, and what a plan waits for."""
    by_hand = "repay base by hand, or bring base, quote or collateral into the wallet"
    if waits_for is None:
        return (
            f"wallet and ranges have nothing left that secures what is owed, and no plan sells collateral {policy.collateral_token}: "
            f"{by_hand}"
        )
    return (
        f"wallet and ranges have nothing left that secures what is owed without a trade, and trades wait for {waits_for.item} "
        f"({waits_for.fault}): {by_hand}"
    )


_TRADE_NOTHING: frozenset[HedgeMove] = frozenset({"secure", "secure_from_range"})
"""Moves that add to what secures the debt, or take off it, at any price."""
_SELL_COLLATERAL: frozenset[HedgeMove] = frozenset({"deleverage_free", "deleverage", "close_from_collateral"})


def names_of(venue: HedgeVenue, policy: Policy, move: HedgeMove) -> frozenset[Phase]:
    """Name the phases of a move but for the reset; none where the venue has no such move, or it is not for the book's collateral."""
    is_quote = policy.collateral_token == policy.quote
    if move in (frozenset({"secure_by_purchase"}) if is_quote else _SELL_COLLATERAL):
        return frozenset()
    return frozenset(each.name for each in venue.phases(move)[:-1])


class _Sources:
    """What each source comes to, in raw quote at spot, of what the venue takes."""

    def __init__(self, at: HedgePlaces, shard: Shard, policy: Policy, stock: Stock) -> None:
        """Take a book at a block. Raises: PipelineError where its position is not known."""
        self._at, self._shard, self._policy = at, shard, policy
        self._price = stock.prices[policy.base]
        market = Market(
            now_s=Seconds(0), base_fee_wei=Wei(0), base_price=self._price
        )  # nothing is traded here
        self._sizing = Sizing(at, shard, policy, market, net=stock.base_amount, move="secure")
        self._terms = HedgeTerms(move="secure", net_base=stock.base_amount)
        self.owed = self._sizing.held.size
        self.waits_for_feed = self._sizing.waits_for_feed
        self._secures = self._sizing.price_of_collateral(stock.prices)

    def may_move(self, move: HedgeMove) -> bool:
        """Return whether a move may go now: while a value feed has no recent answer nothing is traded, and no collateral is withdrawn."""
        return self.waits_for_feed is None or move in _TRADE_NOTHING

    def wallet_suffices(self) -> bool:
        """Return whether the wallet alone brings health back to where the hedge acts."""
        repaid, supplied = self._from_wallet()
        change = HedgeChange(size=-repaid, collateral=supplied)
        health_bps = self._at.venue.health_after(self._shard, self._policy, change)
        return not need_hedge(self._policy).is_low(health_bps)

    def wallet(self) -> int:
        """Value what of the wallet would be repaid and supplied."""
        repaid, supplied = self._from_wallet()
        return self._price.value(repaid) + self._secures.value(supplied)

    def purchase(self) -> int:
        """Value what the wallet's quote would buy of what is owed."""
        bought = self._sizing.bought_at_reference().trade
        return 0 if bought is None else bought.quote

    def free_collateral(self) -> int:
        """Value the collateral that health does not rest on."""
        return self._secures.value(self._sizing.withdrawn_free(self._terms).amount)

    def position(self) -> int:
        """Value the collateral that may be withdrawn at once, or what an order would take off the size."""
        if "decrease" not in names_of(self._at.venue, self._policy, "deleverage"):
            return self._secures.value(self._sizing.withdrawn_to_repay(self._terms).amount)
        if self._sizing.held.waits:
            return 0
        return self._price.value(decreased_to_deleverage(self._sizing, self._terms).amount)

    def ranges(self) -> int:
        """Value what of the book's ranges could be repaid and supplied, or buys what is owed where the wallet's own quote does not suffice."""
        if self._at.freeing is None:
            return 0
        found = self._at.freeing.freed(self._shard, self._policy, MOST_HUNDREDTHS)
        if self._policy.collateral_token == self._policy.quote:
            return self._price.value(found.base) + self._sizing.secured.most_supplied(found.quote)
        if self._sizing.is_secured_by({}, self._terms):
            return 0
        return self._price.value(found.base) + found.quote

    def _from_wallet(self) -> tuple[int, int]:
        repays = "repay" in names_of(self._at.venue, self._policy, "secure")
        repaid = self._sizing.repaid_to_secure(self._terms) if repays else NOTHING
        then = self._sizing.after({"repay": repaid})
        wanted = then.secured.missing_now(then.wallet.collateral)
        return repaid.amount, then.secured.most_supplied(wanted)
