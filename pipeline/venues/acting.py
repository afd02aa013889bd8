"""The port to a venue at which books act: goals, phases, transactions, guards and costs.

A goal's terms, those of what has been paid, and whatever a venue adds to Market, Foreseen and Draft is its own: it is handed back to it, never looked into.
All methods raise PipelineError where something cannot be told, unless they say that they tell it by None.
"""

from collections.abc import Mapping
from typing import Protocol

from pipeline.act.allowances import Grant
from pipeline.act.drafts import Course, Draft
from pipeline.act.foresight import Foreseen, Freed, Market, Trade, TradeCost
from pipeline.act.question import Question, VenueGuards
from pipeline.book.inventory import Stock
from pipeline.messages.base import Price
from pipeline.messages.facts import Fact
from pipeline.messages.goals import Goal, Phase, PlanPhase, Step, Terms
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, Pips, RawAmount, Seconds, Wei


class VenueTrades(Protocol):
    """How base and quote are traded at a venue where nothing else moves."""

    gas_limit: int
    """Of one trade."""

    def grants(self, policy: Policy) -> tuple[Grant, ...]:
        """List who may have to be let take of base and quote for it."""

    def fee_pips(self, shard: Shard, policy: Policy) -> Pips:
        """Return which part of what is paid the venue takes. Units: millionths."""

    def trade(self, shard: Shard, policy: Policy, market: Market, base: int) -> Trade:
        """Simulate a trade that sells an amount of base, or buys it where it is below zero, as far as prices allow.

        Raises: SwapLimitedError where they allow nothing.
        """

    def trade_for(self, shard: Shard, policy: Policy, market: Market, less_base: int) -> Trade:
        """Simulate a trade after which the book has a given amount less base, or more: its own ranges take part in it."""

    def draft(
        self, shard: Shard, policy: Policy, market: Market, trade: Trade, *, step: Step
    ) -> tuple[Draft, ...]:
        """Make a trade's transactions: a sale of an exact input, a purchase of an exact output."""


class VenueFreeing(Protocol):
    """How a part of what a book has placed at a venue is taken out and stays in the wallet."""

    usual_gas: int
    """What one transaction usually uses."""

    def freed(self, shard: Shard, policy: Policy, hundredths: int) -> Freed:
        """Return what so many hundredths of what is placed pay, and all fees with them. Rounds: down."""

    def draft(
        self, shard: Shard, policy: Policy, market: Market, hundredths: int, *, step: Step
    ) -> tuple[Draft, ...]:
        """Make the transactions that take so many hundredths out."""


class VenueActions(Protocol):
    """How books act at a venue: which is that of a book's reference pool."""

    guards: VenueGuards
    """Reasons not to act that only this venue can tell."""
    phases: tuple[PlanPhase, ...]
    """What of a plan goes out together, in order. Before the first has gone out nothing has been moved; the last resets."""
    in_part: frozenset[Phase]
    """Phases that may be made in part, once waiting has cost as much as making them twice."""
    behind: Mapping[Phase, Phase]
    """By phase, which one may go out together with it, so that both may be mined in one block, where it is the plan's next."""

    trades: VenueTrades | None
    """How a hedge trades there; None where none can."""
    freeing: VenueFreeing | None
    """How a hedge takes a part of the book's liquidity out; None where it cannot."""

    usual_gas: Mapping[Step, int]
    """What a transaction of each step usually uses: limits are far above it."""
    usual_plan_gas: int
    """What a whole plan usually uses."""
    least_gas_limit: int
    """Of the largest transaction that cannot be split: a signer that allows less lets no plan come to its end."""

    def spenders(self, policy: Policy) -> tuple[Address, ...]:
        """List whom a plan may have to let take of base and quote: what is allowed them is read at every block."""

    def grants(self, shard: Shard, policy: Policy) -> tuple[Grant, ...]:
        """List which token a plan may have to let whom take."""

    # ---------------------------------------------------------------- the whole plan
    def is_urgent(self, goal: Goal) -> bool:
        """Return whether a plan for a goal takes risk away that does not wait: no limit on costs or on how often holds it back."""

    def phases_of(self, goal: Goal) -> tuple[PlanPhase, ...]:
        """List the phases that a plan for a goal has: those of all plans, or of this kind of goal."""

    def choose_goal(self, shard: Shard, policy: Policy, stock: Stock) -> Goal:
        """Choose what brings a book to its target at the price as it is."""

    def foresee(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock
    ) -> tuple[Goal, Foreseen]:
        """Run a whole plan in thought; the goal comes back as the largest step towards it where it cannot be had at once."""

    def find_gone(self, shard: Shard, policy: Policy, goal: Goal) -> str | None:
        """Name what a plan that has moved nothing yet is to move, and what is not there, as after a reorg; None: all is there."""

    # ---------------------------------------------------------------- one phase
    def read_market(
        self, shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei, *, phase: Phase
    ) -> Market:
        """Describe the market for a phase; one that only takes permissions back needs no price."""

    def widened(self, shard: Shard, policy: Policy, market: Market, cost_bps: int) -> Market:
        """Let prices be further from the reference by what waiting has cost, in bps of what the plan moves."""

    def reconsider(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> Course:
        """Judge how a plan goes on from a phase that is due, on the book as it is. Raises: SwapLimitedError too."""

    def draft(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> tuple[Draft, ...]:
        """Make a phase's transactions from the state as it is; none where there is nothing to do."""

    def draft_behind(
        self,
        shard: Shard,
        policy: Policy,
        goal: Goal,
        market: Market,
        stock: Stock,
        *,
        first: tuple[Draft, ...],
    ) -> tuple[Draft, ...]:
        """Make the phase that goes out behind earlier ones' transactions, each with that phase; none where it would do harm without them."""

    def trade_cost(self, question: Question) -> TradeCost:
        """Return what the trades of the whole plan cost, where one is foreseen, else those of the drafts."""

    # ---------------------------------------------------------------- what waiting misses, what a plan has cost
    def paid_so_far(self, shard: Shard, policy: Policy) -> Terms:
        """Take the fees that the venue has ever paid for a unit of what earns them."""

    def missed_fees(self, shard: Shard, policy: Policy, goal: Goal, since: Terms, stock: Stock) -> RawAmount:
        """Value what the tokens in the wallet would have earned for a goal since then. Units: raw quote, at spot."""

    def outside(self, shard: Shard, policy: Policy, goal: Goal) -> Terms:
        """Take the fees ever paid, and how much that earns the tokens in the wallet would be for a goal."""

    def fees_earned(
        self, shard: Shard, policy: Policy, outside: Terms
    ) -> tuple[tuple[Address, RawAmount], ...]:
        """Return what the tokens outside would have earned since then, of each token. Rounds: down."""

    def mean_price(self, shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
        """Return the reference price of base in raw quote, spot where there is none; None where there is no price at all."""

    def paid_and_got(self, shard: Shard, swap: Fact) -> tuple[tuple[Address, int], ...]:
        """Return what a trade took (positive) and gave (negative) of which token."""


class MissesNoFees:
    """That part of `VenueActions` where tokens in the wallet would have earned nothing at the venue."""

    def paid_so_far(self, shard: Shard, policy: Policy) -> Terms:
        """Return nothing."""
        del shard, policy
        return {}

    def missed_fees(self, shard: Shard, policy: Policy, goal: Goal, since: Terms, stock: Stock) -> RawAmount:
        """Report that none are missed."""
        del shard, policy, goal, since, stock
        return RawAmount(0)

    def outside(self, shard: Shard, policy: Policy, goal: Goal) -> Terms:
        """Return nothing."""
        del shard, policy, goal
        return {}

    def fees_earned(
        self, shard: Shard, policy: Policy, outside: Terms
    ) -> tuple[tuple[Address, RawAmount], ...]:
        """Report that none would have been earned."""
        del shard, policy, outside
        return ()
