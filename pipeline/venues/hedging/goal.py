"""The goal of a hedge: the net exposure at its end, and what each phase moves, sized on the book as it is."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from pipeline import keys
from pipeline.errors import HedgeError
from pipeline.hedge.port import AT_ONCE, HedgeChange, HedgeMove, HedgePosition, HedgeVenue
from pipeline.math.fixed_point import div_up
from pipeline.math.search import first_where
from pipeline.messages.base import Price
from pipeline.messages.goals import Goal, HedgeGoal, read_terms, write_terms
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount
from pipeline.venues.wallet.forms import Balance

URGENT_MOVES: frozenset[HedgeMove] = AT_ONCE | {"close", "close_from_collateral"}
"""Moves that no limit on costs holds back, and that may use the reserve of base: what is owed goes before it."""
_SPARE_PERCENT = 110
"""Collateral is withdrawn once this much of what is needed stays: every withdrawal costs gas, and the price goes on."""
_INTEREST_PARTS = 10_000
"""Collateral for what is borrowed some blocks later is this part more than what is just enough now."""


class HedgeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a goal."""

    move: HedgeMove
    net_base: int
    """With how much base, net of what is owed, the book is to end."""


class InWallet(NamedTuple):
    """What the owner's wallet has that a hedge may use, by token: base beyond the reserve, all of the quote and of the collateral.

    Where the quote is the collateral both are one amount.
    """

    policy: Policy
    amounts: Mapping[Address, int]

    @property
    def base(self) -> int:
        """Return what is sold, or repays."""
        return self.amounts[self.policy.base]

    @property
    def quote(self) -> int:
        """Return what buys base."""
        return self.amounts[self.policy.quote]

    @property
    def collateral(self) -> int:
        """Return what may be supplied."""
        return self.amounts[self.policy.collateral_token]

    def changed(self, *, base: int, quote: int, collateral: int) -> "InWallet":
        """Return the wallet after signed changes of what each token is there for."""
        policy, amounts = self.policy, dict(self.amounts)
        pairs = (policy.base, base), (policy.quote, quote), (policy.collateral_token, collateral)
        for token, delta in pairs:
            amounts[token] += delta
        return self._replace(amounts=amounts)


def hedge_goal(policy: Policy, terms: HedgeTerms) -> Goal:
    """Make a goal of terms."""
    return HedgeGoal(venue=need_hedge(policy).venue, terms=write_terms(terms))


def terms_of(goal: Goal) -> HedgeTerms:
    """Take a goal as what this made it."""
    assert isinstance(goal, HedgeGoal), "only hedges are its own"
    return read_terms(goal.terms, HedgeTerms)


def need_hedge(policy: Policy) -> Hedge:
    """Take the section of a book that is hedged."""
    assert policy.hedge, "its plans are opened by that section alone"
    return policy.hedge


def in_wallet(shard: Shard, policy: Policy, move: HedgeMove) -> InWallet:
    """Return what of the wallet a hedge may use. What a re-range leaves there of the quote is what secures the hedge, or buys back.

    Where health is low, or the hedge ends, all of the base may be used.
    """
    amounts = {
        token: shard.tables.need(keys.balance(policy.owner, token), Balance).amount
        for token in (policy.base, policy.quote, policy.collateral_token)
    }
    reserve = 0 if move in URGENT_MOVES else policy.reserve(policy.base)
    amounts[policy.base] = RawAmount(max(amounts[policy.base] - reserve, 0))
    return InWallet(policy, amounts)


def collateral_price(policy: Policy, prices: Mapping[Address, Price]) -> Price:
    """Find the book's own price of the collateral, in raw quote. Raises: HedgeError where the book does not price it."""
    price = prices.get(policy.collateral_token)
    if price is None:
        raise HedgeError(f"the book has no price of the collateral {policy.collateral_token}")
    return price


def price_to_secure(
    venue: HedgeVenue, shard: Shard, policy: Policy, prices: Mapping[Address, Price]
) -> Price:
    """Find the book's own price of the collateral, or where its feed tells none the one that the venue's price of the base leads to.

    For what is supplied when health is low, which is safe at any price; raw quote. Raises: HedgeError where the venue has none either.
    """
    found, of_base = prices.get(policy.collateral_token), venue.base_price(shard, policy)
    if found is not None:
        return found
    if of_base is None:
        raise HedgeError(f"neither book nor venue has a price of the collateral {policy.collateral_token}")
    return prices[policy.base].times(of_base.inverse())


# ------------------------------------------------------------------ collateral
class Secured:
    """What collateral a size takes, and which size a collateral bears, by the health that the policy asks for."""

    def __init__(
        self, venue: HedgeVenue, shard: Shard, policy: Policy, done: HedgeChange | None = None
    ) -> None:
        """Bind a venue to a book, after a change that is taken as done."""
        self._venue, self._shard, self._policy, self._hedge = venue, shard, policy, need_hedge(policy)
        self._done = done or HedgeChange()

    def is_safe(self, change: HedgeChange) -> bool:
        """Return whether health is at the floor after a change and after the gap, the venue takes it, and it costs no more than it may."""
        whole = self._done.with_more(change)
        return self.is_healthy(change) and self._is_taken(whole) and self._is_cheap(whole)

    def _is_taken(self, whole: HedgeChange) -> bool:
        return self._venue.unfit(self._shard, self._policy, whole) is None

    def _is_cheap(self, whole: HedgeChange) -> bool:
        if whole.size <= 0:
            return True
        carry = self._venue.carry_bps(self._shard, self._policy, whole)
        return carry is not None and carry <= self._hedge.most_carry_bps

    def is_healthy(self, change: HedgeChange) -> bool:
        """Return whether health is at the floor after a change, and after the base's price has risen by the gap."""
        whole = self._done.with_more(change)
        health = self._venue.health_after(self._shard, self._policy, whole, base_up_bps=self._hedge.gap_bps)
        return health is None or health >= self._hedge.floor_bps

    @property
    def repays(self) -> bool:
        """Return whether what is taken as done makes the position smaller."""
        return self._done.size < 0

    def health_bps(self) -> int | None:
        """Return the health factor after what is taken as done, at the price of now; None where nothing is owed."""
        return self._venue.health_after(self._shard, self._policy, self._done)

    def most_supplied(self, most: int) -> int:
        """Return how much of an amount of collateral the venue takes."""
        return self._most_taken(most, lambda more: HedgeChange(collateral=more))

    def most_withdrawn(self, most: int) -> int:
        """Return how much of an amount of collateral the venue pays out."""
        return self._most_taken(most, lambda less: HedgeChange(collateral=-less))

    def _most_taken(self, most: int, change: Callable[[int], HedgeChange]) -> int:
        if most <= 0:
            return 0
        refused = first_where(lambda n: not self._is_taken(self._done.with_more(change(n))), 1, most, most)
        return refused - 1

    def why_no_more(self, size: int, collateral: int) -> str:
        """Describe what keeps the position from growing by an amount on added collateral."""
        change = self._done.with_more(HedgeChange(size=size, collateral=collateral))
        found = self._venue.unfit(self._shard, self._policy, change)
        if found is not None:
            return found.detail
        if not self.is_healthy(HedgeChange(size=size, collateral=collateral)):
            return "what the wallet has of the collateral bears no more"
        return "it would cost more than hedge.most_carry"

    def missing_for(self, size: int, most: int) -> RawAmount:
        """Compute the least collateral to add for a larger position, `most` where that does not suffice."""
        if size <= 0 or self.is_safe(HedgeChange(size=size)):
            return RawAmount(0)
        least = first_where(
            lambda more: self.is_safe(HedgeChange(size=size, collateral=more)), 1, most, most // 2
        )
        return RawAmount(min(least, most))

    def to_add(self, size: int, available: int) -> RawAmount:
        """Compute the collateral to add for a larger position, of what is available and the venue takes.

        Where the venue takes none, what is available: the guards say why not.
        """
        return self.missing_for(size, self.most_supplied(available) or available)

    def to_add_before(self, size: int, available: int) -> RawAmount:
        """Compute the same with a spare part for the interest until the position becomes larger, as far as the venue takes it. Rounds: up."""
        missing = self.to_add(size, available)
        most = max(self.most_supplied(available), missing)
        return RawAmount(min(missing + div_up(missing, _INTEREST_PARTS), most))

    def most_more(self, wanted: int, collateral: int) -> RawAmount:
        """Compute how much larger the position may become on added collateral; not more than wanted."""
        if wanted <= 0:
            return RawAmount(0)
        worst = first_where(
            lambda size: not self.is_safe(HedgeChange(size=size, collateral=collateral)), 1, wanted, wanted
        )
        return RawAmount(worst - 1)

    def free_of(self, held: HedgePosition) -> RawAmount:
        """Return how much collateral may be taken back with a spare part left in place. Rounds: down."""
        if not held.size:
            return held.collateral
        if not held.collateral:
            return RawAmount(0)
        taken = first_where(
            lambda less: not self.is_healthy(HedgeChange(collateral=-less)), 1, held.collateral, 1
        )
        needed = held.collateral - (taken - 1)
        return RawAmount(max(held.collateral - needed * _SPARE_PERCENT // 100, 0))

    def too_much_owed(self, held: HedgePosition, collateral: int, most: int) -> RawAmount:
        """Compute the least to repay until health is at the floor after the gap, given the added collateral; at most `most`."""
        least = first_where(
            lambda less: self.is_healthy(HedgeChange(size=-less, collateral=collateral)), 0, held.size, 0
        )
        return RawAmount(min(least, held.size, most))

    def missing_now(self, most: int) -> RawAmount:
        """Compute the least collateral to add until health is at the floor after the gap; at most `most`."""
        least = first_where(lambda more: self.is_healthy(HedgeChange(collateral=more)), 0, most, 0)
        return RawAmount(min(least, most))
