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
    """Trades base and quote at a venue without changing anything else there."""

    gas_limit: int
    """Of one trade."""

    def grants(self, policy: Policy) -> tuple[Grant, ...]:
        """List the spenders that may need an allowance for base or quote."""

    def fee_pips(self, shard: Shard, policy: Policy) -> Pips:
        """Return the venue's fee on what is paid. Units: millionths."""

    def trade(self, shard: Shard, policy: Policy, market: Market, base: int) -> Trade:
        """Simulate a trade that sells an amount of base (negative: buys it), as far as prices allow.

        Raises: SwapLimitedError where they allow nothing.
        """

    def trade_for(self, shard: Shard, policy: Policy, market: Market, less_base: int) -> Trade:
        """Simulate a trade after which the book has an amount less base (negative: more), its own ranges' part in it included."""

    def draft(
        self, shard: Shard, policy: Policy, market: Market, trade: Trade, *, step: Step
    ) -> tuple[Draft, ...]:
        """Draft a trade's transactions: a sale of an exact input, a purchase of an exact output."""


class VenueFreeing(Protocol):
    """Withdraws a part of what a book has placed at a venue into the wallet."""

    usual_gas: int
    """What one transaction usually uses."""

    def freed(self, shard: Shard, policy: Policy, hundredths: int) -> Freed:
        """Return what some hundredths of what is placed pay, with all fees. Rounds: down."""

    def draft(
        self, shard: Shard, policy: Policy, market: Market, hundredths: int, *, step: Step
    ) -> tuple[Draft, ...]:
        """Draft the transactions that withdraw some hundredths."""


class VenueActions(Protocol):
    """How books act at a venue, that of a book's reference pool."""

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
        """List the spenders of base and quote that a plan may need: their allowances are read at every block."""

    def grants(self, shard: Shard, policy: Policy) -> tuple[Grant, ...]:
        """List the allowances, token and spender, that a plan may need."""

    # ---------------------------------------------------------------- the whole plan
    def is_urgent(self, goal: Goal) -> bool:
        """Return whether a goal's plan reduces a risk that cannot wait: no limit on costs or frequency applies."""

    def phases_of(self, goal: Goal) -> tuple[PlanPhase, ...]:
        """List the phases of a goal's plan: those of all plans, or of this kind of goal."""

    def choose_goal(self, shard: Shard, policy: Policy, stock: Stock) -> Goal:
        """Choose the goal that brings a book to its target at the present price."""

    def foresee(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock
    ) -> tuple[Goal, Foreseen]:
        """Compute a whole plan; where the goal cannot be reached at once, the largest step towards it is returned as the goal."""

    def find_gone(self, shard: Shard, policy: Policy, goal: Goal) -> str | None:
        """Name what an unstarted plan is to move and is not there, e.g. after a reorg; None: everything is there."""

    # ---------------------------------------------------------------- one phase
    def read_market(
        self, shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei, *, phase: Phase
    ) -> Market:
        """Describe the market for a phase; one that only revokes allowances needs no price."""

    def widened(self, shard: Shard, policy: Policy, market: Market, cost_bps: int) -> Market:
        """Allow prices further from the reference by what waiting has cost, in bps of what the plan moves."""

    def reconsider(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> Course:
        """Decide how a plan continues from the phase that is due, on the present book. Raises: SwapLimitedError too."""

    def draft(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> tuple[Draft, ...]:
        """Draft a phase's transactions from the present state; none where there is nothing to do."""

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
        """Return the trading cost of the whole plan, where its result is given, else of the drafts."""

    # ---------------------------------------------------------------- what waiting misses, what a plan has cost
    def paid_so_far(self, shard: Shard, policy: Policy) -> Terms:
        """Return the fees that the venue has ever paid per unit of what earns them."""

    def missed_fees(self, shard: Shard, policy: Policy, goal: Goal, since: Terms, stock: Stock) -> RawAmount:
        """Value what the tokens in the wallet would have earned for a goal since then. Units: raw quote, at spot."""

    def outside(self, shard: Shard, policy: Policy, goal: Goal) -> Terms:
        """Return the fees ever paid, and how many units that earn them the wallet's tokens would be for a goal."""

    def fees_earned(
        self, shard: Shard, policy: Policy, outside: Terms
    ) -> tuple[tuple[Address, RawAmount], ...]:
        """Return what the tokens outside would have earned since then, of each token. Rounds: down."""

    def mean_price(self, shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
        """Return the reference price of base in raw quote, spot where there is none; None where there is no price at all."""

    def paid_and_got(self, shard: Shard, swap: Fact) -> tuple[tuple[Address, int], ...]:
        """Return which tokens a trade paid (positive) and received (negative), and how much."""


class MissesNoFees:
    """The part of `VenueActions` for venues at which tokens in the wallet would have earned nothing."""

    def paid_so_far(self, shard: Shard, policy: Policy) -> Terms:
        """Return nothing."""
        del shard, policy
        return {}

    def missed_fees(self, shard: Shard, policy: Policy, goal: Goal, since: Terms, stock: Stock) -> RawAmount:
        """Return nothing: no fees are missed."""
        del shard, policy, goal, since, stock
        return RawAmount(0)

    def outside(self, shard: Shard, policy: Policy, goal: Goal) -> Terms:
        """Return nothing."""
        del shard, policy, goal
        return {}

    def fees_earned(
        self, shard: Shard, policy: Policy, outside: Terms
    ) -> tuple[tuple[Address, RawAmount], ...]:
        """Return nothing: no fees would have been earned."""
        del shard, policy, outside
        return ()
