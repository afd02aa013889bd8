"""Types for judging a plan: the market at a block, and the result that the whole plan would have there.

A venue adds to both what its own steps and guards need.
"""

import msgspec

from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.units import Bps, RawAmount, Seconds, Wei


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """The market that a phase is planned and judged by."""

    now_s: Seconds
    base_fee_wei: Wei
    base_price: Price
    """The reference price of base in raw quote, at which costs are valued; spot only where the venue has no other."""
    in_part: bool = False
    """Waiting has cost as much as making the phase twice would, so a part of what does not fit at once may be placed."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """The expected result of a plan at present prices."""

    moved_quote: RawAmount
    """The value of what is withdrawn and of what may be deployed, at spot."""
    gas_limit: int
    """The gas limits of all its transactions together."""
    gas_expected: int
    """The gas that they usually use."""
    transactions: int
    share_before_bps: Bps
    share_after_bps: Bps
    """The book's share after the plan, at the price after its own trade."""
    was_idle: bool
    """The book earns nothing now: none of its liquidity is in range."""
    is_active: bool
    """The deployed liquidity is in range at the price after the plan's own trade."""
    deploys: bool
    """The plan deploys anything at all."""
    deployed_quote: RawAmount
    """The value of what is deployed, at spot."""
    most_deployed_quote: RawAmount
    """The largest value that the venue takes at once, at spot."""
    fits: bool
    """The venue takes all of it."""
    cut_short: str = ""
    """Why the plan is only a step towards the target; empty: it goes all the way."""

    def deviations(self, policy: Policy) -> tuple[int, int]:
        """Return how far the share is from its target now and after the plan, in bps."""
        target = policy.strategy.target_share_bps
        return abs(self.share_before_bps - target), abs(self.share_after_bps - target)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """The expected result of a trade of base for quote now. A venue adds what its own drafts and guards need."""

    sells_base: bool
    base: RawAmount
    """The amount of base that is sold or bought."""
    quote: RawAmount
    """The quote that the trade brings or costs."""
    limited: str = ""
    """Why the trade is smaller than requested; empty: it is not."""


class Freed(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts that a part of a book's liquidity pays when it is withdrawn."""

    hundredths: int
    """The withdrawn part of each of the book's ranges."""
    base: RawAmount
    quote: RawAmount
    gas_limit: int
    """The gas limits of all its transactions together."""
    transactions: int


class TradeCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of trades, in raw quote at the reference price."""

    fee: int = 0
    """The venue's fee."""
    impact: int = 0
    """The loss beyond the fee; at least 0."""
    way_back: int = 0
    """The loss when arbitrage undoes the impact."""
