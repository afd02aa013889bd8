"""The port's implementation for a hedge: its position at one venue, its trades at another."""

from collections.abc import Mapping

from msgspec.structs import replace

from pipeline.act.allowances import Grant, take_back
from pipeline.act.drafts import Course, Draft
from pipeline.act.foresight import Foreseen, Market, TradeCost
from pipeline.act.question import Question, VenueGuards
from pipeline.book.inventory import Stock
from pipeline.errors import HedgeError
from pipeline.hedge.aim import HedgeAim
from pipeline.hedge.port import AT_ONCE, HedgeChange, HedgeVenue
from pipeline.hedge.target import HedgeTarget, target_of
from pipeline.messages.base import Price
from pipeline.messages.facts import Fact
from pipeline.messages.goals import APPROVE, RESET, Goal, Phase, PlanPhase, Step
from pipeline.messages.policy import Policy
from pipeline.messages.views import HedgeShown
from pipeline.state.shard import Shard
from pipeline.units import Address, Seconds, Wei
from pipeline.venues.acting import MissesNoFees, VenueActions, VenueFreeing, VenueTrades
from pipeline.venues.hedging.aim import aim_of
from pipeline.venues.hedging.behind import BEHIND, is_harmless_alone, size_behind
from pipeline.venues.hedging.closing import move_to_close
from pipeline.venues.hedging.compensation import compensates_after_s, is_left_open, took_back
from pipeline.venues.hedging.emergency import move_at_once
from pipeline.venues.hedging.foresight import USUAL_TRADE_GAS, foresee_hedge
from pipeline.venues.hedging.goal import (
    URGENT_MOVES,
    HedgeTerms,
    Secured,
    hedge_goal,
    in_wallet,
    need_hedge,
    terms_of,
)
from pipeline.venues.hedging.guards import HedgeGuards, with_trades_alone
from pipeline.venues.hedging.hedge_view import show_hedge
from pipeline.venues.hedging.joint import change_of, find_joint, stock_after
from pipeline.venues.hedging.phase_sizes import size_phase
from pipeline.venues.hedging.sizes import HedgePlaces, Sized, Sizing


class HedgeActions(MissesNoFees):
    """The hedge of a book. Its venue has the position, `trading` the pool in which base is sold and bought."""

    in_part: frozenset[Phase] = frozenset()
    behind: Mapping[Phase, Phase] = BEHIND
    trades: VenueTrades | None = None
    freeing: VenueFreeing | None = None
    least_gas_limit: int = 0

    def __init__(self, venue: HedgeVenue, trading: VenueActions, trades: VenueTrades) -> None:
        """Bring both together."""
        self._venue, self._trading, self._trades = venue, trading, trades
        self._places = HedgePlaces(venue, trades, trading.freeing)
        self.phases: tuple[PlanPhase, ...] = venue.phases("up")
        self.guards: VenueGuards = HedgeGuards(venue, trading).guards()
        of_tokens = {step: trading.usual_gas[step] for step in (APPROVE, RESET)}
        of_trades = {"sell": USUAL_TRADE_GAS, "buy": USUAL_TRADE_GAS}
        of_ranges = {} if trading.freeing is None else {"free": trading.freeing.usual_gas}
        self.usual_gas: Mapping[Step, int] = {**venue.usual_gas, **of_trades, **of_ranges, **of_tokens}
        self.usual_plan_gas: int = sum(self.usual_gas.values())

    def spenders(self, policy: Policy) -> tuple[Address, ...]:
        """List the venue's own, and those of the trades."""
        own = (spender for _, spender in self._venue.grants(policy))
        return tuple(dict.fromkeys((*self._trading.spenders(policy), *own)))

    def grants(self, shard: Shard, policy: Policy) -> tuple[Grant, ...]:
        """List those of a re-range too: what it left standing is watched on."""
        return (*self._trading.grants(shard, policy), *self._venue.grants(policy))

    def aim(self, shard: Shard, policy: Policy, stock: Stock) -> HedgeAim:
        """Return ratio and band at a block. Raises: PipelineError where the position is not known."""
        return aim_of(self._places, shard, policy, stock)

    def target(self, shard: Shard, policy: Policy, stock: Stock) -> HedgeTarget | None:
        """Find where the net exposure is to go; None where it is within its band. Raises: PipelineError where the position is not known."""
        held = self._venue.position(shard, policy)
        return target_of(need_hedge(policy), self.aim(shard, policy, stock), stock.base_amount, held)

    def left_open(self, shard: Shard, policy: Policy) -> bool:
        """Return whether the last plan left a leg without its trade that is to be taken back. Raises: PipelineError."""
        if not is_left_open(shard, policy):
            return False
        held, wallet = self._venue.position(shard, policy), in_wallet(shard, policy, "take_back")
        missing = Secured(self._venue, shard, policy).missing_now(wallet.collateral)
        return bool(min(held.size, wallet.base) or missing)

    def goes_with_range(self, shard: Shard, policy: Policy, moved: Stock) -> bool:
        """Return whether a re-range would leave the net exposure outside its band, so that both are to go together. Raises: PipelineError."""
        if is_left_open(shard, policy) or took_back(shard, policy):
            return False
        return find_joint(self._places, shard, policy, moved) is not None

    def change_with_range(self, shard: Shard, policy: Policy, moved: Stock) -> tuple[HedgeChange, Stock]:
        """Return what a re-range's plan changes at the hedge's venue, and what the book has besides once that is done.

        Raises: HedgeError where it would change nothing, PipelineError.
        """
        terms = find_joint(self._places, shard, policy, moved)
        if terms is None:
            raise HedgeError("what is owed is near enough to what is to be owed")
        change = change_of(self._venue, shard, policy, terms)
        return change, stock_after(policy, moved, change)

    def compensates_after_s(self, policy: Policy, goal: Goal, phase: Phase) -> Seconds | None:
        """Compute after how long a phase that does not come about ends its plan, for the leg before it to be taken back; None: never."""
        return compensates_after_s(policy, goal, phase)

    def shown(self, shard: Shard, policy: Policy, stock: Stock) -> HedgeShown:
        """Return how the hedge stands. Raises: PipelineError where the position is not known."""
        return show_hedge(self._places, shard, policy, stock)

    # -------------------------------------------------------------- the whole plan
    def is_urgent(self, goal: Goal) -> bool:
        """Return whether it secures what is owed, ends the hedge, or takes a leg back."""
        return terms_of(goal).move in URGENT_MOVES | {"take_back"}

    def secures(self, goal: Goal) -> bool:
        """Return whether it is for low health."""
        return terms_of(goal).move in AT_ONCE

    def phases_of(self, goal: Goal) -> tuple[PlanPhase, ...]:
        """List the venue's phases for the goal's move."""
        return self._venue.phases(terms_of(goal).move)

    def choose_goal(self, shard: Shard, policy: Policy, stock: Stock) -> Goal:
        """Choose the net exposure to end with; where health is low, to secure what is owed."""
        held, hedge = self._venue.position(shard, policy), need_hedge(policy)
        if hedge.is_low(held.health_bps):
            move = move_at_once(self._places, shard, policy, stock)
            return hedge_goal(policy, HedgeTerms(move=move, net_base=stock.base_amount))
        if self.left_open(shard, policy):
            return hedge_goal(policy, HedgeTerms(move="take_back", net_base=stock.base_amount))
        target = self.target(shard, policy, stock)
        if target is None:
            raise HedgeError("the net exposure is within its band")
        closes = target.move == "close"
        move = move_to_close(self._places, shard, policy, stock) if closes else target.move
        return hedge_goal(policy, HedgeTerms(move=move, net_base=target.net))

    def foresee(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock
    ) -> tuple[Goal, Foreseen]:
        """Run the plan in thought, or the largest step of it that prices, wallet and collateral allow."""
        terms = terms_of(goal)
        sizing = self._sizing(shard, policy, market, stock, terms)
        aim = self.aim(shard, policy, stock)
        taken, foreseen = foresee_hedge(sizing, self._places, policy, terms, stock, aim=aim)
        return hedge_goal(policy, taken), foreseen

    def find_gone(self, shard: Shard, policy: Policy, goal: Goal) -> str | None:
        """Name the hedge's venue where a goal makes the position smaller, or secures it, and there is none."""
        held, move = self._venue.position(shard, policy), terms_of(goal).move
        if move == "up" or held.size or (move == "close" and held.collateral):
            return None
        return need_hedge(policy).venue

    # -------------------------------------------------------------- one phase
    def read_market(
        self, shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei, *, phase: Phase
    ) -> Market:
        """Describe the market of the trades."""
        return self._trading.read_market(shard, policy, now_s, base_fee_wei, phase=phase)

    def widened(self, shard: Shard, policy: Policy, market: Market, cost_bps: int) -> Market:
        """Widen what the trades allow."""
        return self._trading.widened(shard, policy, market, cost_bps)

    def reconsider(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> Course:
        """Keep the goal: it is an exposure, and what a phase moves towards it follows from the book as it is."""
        del shard, policy, market, stock, phase
        return Course(goal=goal)

    def draft(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> tuple[Draft, ...]:
        """Make a trade, a call of the venue, or take permissions back."""
        if phase == RESET:
            return take_back(shard, policy, self.grants(shard, policy))
        terms = terms_of(goal)
        sized = size_phase(self._sizing(shard, policy, market, stock, terms), phase, terms)
        return self._draft(shard, policy, market, phase, sized)

    def _draft(
        self, shard: Shard, policy: Policy, market: Market, phase: Phase, sized: Sized
    ) -> tuple[Draft, ...]:
        if not sized.amount:
            return ()
        if sized.trade is not None:
            return self._trades.draft(shard, policy, market, sized.trade, step=phase)
        if sized.freed is not None and self._places.freeing is not None:
            hundredths = sized.freed.hundredths
            return self._places.freeing.draft(shard, policy, market, hundredths, step=phase)
        return self._venue.draft(shard, policy, phase, sized.amount, everything=sized.everything)

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
        """Make a borrowing with its supply, a sale with its borrowing, a repayment with its purchase, what is supplied at once with what is repaid; each with its approvals."""
        terms = terms_of(goal)
        sizing = self._sizing(shard, policy, market, stock, terms)
        phase, sized = size_behind(sizing, terms, first)
        usable = sizing.wallet.base
        if not is_harmless_alone(self._venue, shard, policy, phase, amount=sized.amount, usable_base=usable):
            return ()
        made = self._draft(shard, policy, market, phase, sized)
        return tuple(replace(each, phase=phase) for each in made)

    def trade_cost(self, question: Question) -> TradeCost:
        """Return what the sale or the purchase costs."""
        return self._trading.trade_cost(with_trades_alone(question, self._trades))

    def _sizing(
        self, shard: Shard, policy: Policy, market: Market, stock: Stock, terms: HedgeTerms
    ) -> Sizing:
        net, move = stock.base_amount, terms.move
        return Sizing(self._places, shard, policy, market, net=net, move=move)

    # -------------------------------------------------------------- what a plan has cost
    def mean_price(self, shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
        """Return the trades' reference price."""
        return self._trading.mean_price(shard, policy, now_s)

    def paid_and_got(self, shard: Shard, swap: Fact) -> tuple[tuple[Address, int], ...]:
        """Return what a trade took and gave."""
        return self._trading.paid_and_got(shard, swap)
