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
    """The reference price of base in raw quote, by which costs are counted: not spot, where the venue has another."""
    in_part: bool = False
    """Waiting has cost as much as making the phase twice would: of what does not fit at once a part goes in."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """The expected result of a plan at present prices."""

    moved_quote: RawAmount
    """What is freed and what may be deployed, at spot."""
    gas_limit: int
    """Of all its transactions together."""
    gas_expected: int
    """What they usually use."""
    transactions: int
    share_before_bps: Bps
    share_after_bps: Bps
    """Of the book, at the price that our own trade leaves."""
    was_idle: bool
    """The book earns nothing now: no liquidity of its is in range."""
    is_active: bool
    """What is deployed earns at the price that our own trade leaves."""
    deploys: bool
    """Anything is deployed at all."""
    deployed_quote: RawAmount
    """What is deployed, at spot."""
    most_deployed_quote: RawAmount
    """What the venue takes of it at once, at spot."""
    fits: bool
    """It takes all of it."""
    cut_short: str = ""
    """Why it is only a step towards the target; empty: it is the whole way."""

    def deviations(self, policy: Policy) -> tuple[int, int]:
        """Return how far the share is from its target now and after the plan, in bps."""
        target = policy.strategy.target_share_bps
        return abs(self.share_before_bps - target), abs(self.share_after_bps - target)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """The expected result of a trade of base for quote now. A venue adds what its own drafts and guards need."""

    sells_base: bool
    base: RawAmount
    """What is sold or bought of it."""
    quote: RawAmount
    """What that brings or costs."""
    limited: str = ""
    """Why it is not all that was asked for; empty: it is."""


class Freed(msgspec.Struct, frozen=True, kw_only=True):
    """What part of a book's liquidity pays when it is withdrawn."""

    hundredths: int
    """Of each of the book's ranges."""
    base: RawAmount
    quote: RawAmount
    gas_limit: int
    """Of all transactions that it takes."""
    transactions: int


class TradeCost(msgspec.Struct, frozen=True, kw_only=True):
    """What trades cost, in raw quote at the reference price."""

    fee: int = 0
    """What the venue takes."""
    impact: int = 0
    """What is lost beyond the fee: at least 0."""
    way_back: int = 0
    """What is lost when arbitrage undoes the impact."""
