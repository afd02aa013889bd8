"""How books act at the toy venue: one trade with the reference pool, at its price, brings the share to its target."""

from collections.abc import Mapping

import msgspec

from pipeline.act.allowances import APPROVE_GAS, Grant, allow, take_back
from pipeline.act.drafts import Course, Draft
from pipeline.act.foresight import Foreseen, Market, TradeCost
from pipeline.act.question import Question, VenueGuards
from pipeline.book.inventory import Stock
from pipeline.book.prices import spot_prices
from pipeline.decide.gates import base_to_buy
from pipeline.errors import CalldataError, ImpossibleFactError
from pipeline.messages.base import Price
from pipeline.messages.facts import Fact
from pipeline.messages.goals import (
    RESET,
    Goal,
    Phase,
    PlanPhase,
    RerangeGoal,
    Step,
    read_terms,
    write_terms,
)
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.state.shard import Shard
from pipeline.units import Address, Bps, PoolId, RawAmount, Seconds, Wei
from pipeline.venues.abi import declared
from pipeline.venues.acting import MissesNoFees, VenueActions, VenueFreeing, VenueTrades
from worlds.toy_venue.forms import ToyPool, ToyTraded, toy_pool

TRADE = declared("trade(bytes32,int256,int256)")
DEPOSIT = declared("deposit(bytes32,uint256,uint256)")
"""No plan makes it: an owner's own."""
TRADE_GAS = 200_000


class ToyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool is to receive (negative: to give)."""

    pool: PoolId
    delta0: int
    delta1: int


def contract_of(policy: Policy) -> Address:
    name = policy.venue_of(policy.reference_pool)
    return next(spec.contract("pools") for spec in policy.chain.all_venues() if spec.name == name)


def not_allowed(question: Question) -> str | None:
    """Only trades in the book's own pool, read back from the bytes."""
    for each in question.drafts:
        if each.step != "trade":
            continue
        try:
            pool, _, _ = TRADE.decode(bytes.fromhex(each.call.data.removeprefix("0x")))
        except CalldataError as error:
            return str(error)
        if "0x" + pool.hex() != question.policy.reference_pool or each.call.to != contract_of(
            question.policy
        ):
            return f"a trade in 0x{pool.hex()} of {each.call.to}"
    return None


class ToyActions(MissesNoFees):
    guards = VenueGuards(prices={}, sizes={}, calls={"not_allowed": not_allowed}, passing=frozenset())
    phases: tuple[PlanPhase, ...] = (
        PlanPhase(name="trade", does="trades"),
        PlanPhase(name=RESET, does="resets"),
    )
    in_part: frozenset[Phase] = frozenset()
    behind: Mapping[Phase, Phase] = {}
    trades: VenueTrades | None = None
    freeing: VenueFreeing | None = None
    usual_gas: Mapping[Step, int] = {"approve": 50_000, "trade": 150_000, "reset": 30_000}
    usual_plan_gas: int = 230_000
    least_gas_limit: int = TRADE_GAS

    def spenders(self, policy: Policy) -> tuple[Address, ...]:
        return (contract_of(policy),)

    def grants(self, shard: Shard, policy: Policy) -> tuple[Grant, ...]:
        del shard
        return tuple((token, contract_of(policy)) for token in (policy.base, policy.quote))

    # -------------------------------------------------------------- the whole plan
    def is_urgent(self, goal: Goal) -> bool:
        del goal
        return False

    def phases_of(self, goal: Goal) -> tuple[PlanPhase, ...]:
        del goal
        return self.phases

    def choose_goal(self, shard: Shard, policy: Policy, stock: Stock) -> Goal:
        """Buy what is missing of the base. Rounds: what is paid up, what is got down."""
        pool, price = _pool(shard, policy), stock.prices[policy.base]
        bought = base_to_buy(stock, policy)
        paid = -(-bought * price.numerator // price.denominator)
        deltas = (-bought, paid) if pool.token0 == policy.base else (paid, -bought)
        if pool.reserve0 + deltas[0] < 0 or pool.reserve1 + deltas[1] < 0:
            raise ImpossibleFactError(f"the pool has less than {deltas}")
        terms = ToyTerms(pool=policy.reference_pool, delta0=deltas[0], delta1=deltas[1])
        return RerangeGoal(venue="toy", terms=write_terms(terms))

    def foresee(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock
    ) -> tuple[Goal, Foreseen]:
        del shard
        terms = read_terms(goal.terms, ToyTerms)
        moved = market.base_price.value(abs(terms.delta0 if policy.base < policy.quote else terms.delta1))
        return goal, Foreseen(
            moved_quote=moved,
            gas_limit=2 * APPROVE_GAS + TRADE_GAS,
            gas_expected=self.usual_plan_gas,
            transactions=2,
            share_before_bps=stock.base_share_bps,
            share_after_bps=Bps(policy.strategy.target_share_bps),
            was_idle=False,
            is_active=True,
            deploys=True,
            deployed_quote=moved,
            most_deployed_quote=moved,
            fits=True,
        )

    def find_gone(self, shard: Shard, policy: Policy, goal: Goal) -> str | None:
        """Return nothing: the traded tokens are in the wallet."""
        del shard, policy, goal
        return None

    # -------------------------------------------------------------- one phase
    def read_market(
        self, shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei, *, phase: Phase
    ) -> Market:
        del phase
        price = spot_prices(shard, policy)[policy.base]
        return Market(now_s=now_s, base_fee_wei=base_fee_wei, base_price=price)

    def widened(self, shard: Shard, policy: Policy, market: Market, cost_bps: int) -> Market:
        del shard, policy, cost_bps
        return market

    def reconsider(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> Course:
        """Choose again: another trade has moved the share."""
        del market
        if phase != "trade":
            return Course(goal=goal)
        now = self.choose_goal(shard, policy, stock)
        return Course(goal=now, why="" if now == goal else "the book has changed")

    def draft(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> tuple[Draft, ...]:
        del market, stock
        if phase == "reset":
            return take_back(shard, policy, self.grants(shard, policy))
        terms, pool, to = read_terms(goal.terms, ToyTerms), _pool(shard, policy), contract_of(policy)
        moved = ((pool.token0, terms.delta0), (pool.token1, terms.delta1))
        ((paid, amount),) = (each for each in moved if each[1] > 0)
        allowed = allow(shard, policy, paid, to, RawAmount(amount))
        data = TRADE.calldata(bytes.fromhex(terms.pool.removeprefix("0x")), terms.delta0, terms.delta1)
        minimums = tuple(Minimum(token=token, delta=RawAmount(-delta)) for token, delta in moved)
        trade = Draft(step="trade", call=Call(to=to, data=data, gas_limit=TRADE_GAS), minimums=minimums)
        return (*allowed, trade)

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
        del shard, policy, goal, market, stock, first
        return ()

    def trade_cost(self, question: Question) -> TradeCost:
        """Nothing: the price is the same for all and the pool takes no fee of us."""
        del question
        return TradeCost()

    # -------------------------------------------------------------- what a plan has cost
    def mean_price(self, shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
        del now_s
        return spot_prices(shard, policy)[policy.base]

    def paid_and_got(self, shard: Shard, swap: Fact) -> tuple[tuple[Address, int], ...]:
        pool = shard.tables.find(toy_pool(swap.pool), ToyPool) if isinstance(swap, ToyTraded) else None
        if pool is None or not isinstance(swap, ToyTraded):
            return ()
        return (pool.token0, swap.delta0), (pool.token1, swap.delta1)


def _pool(shard: Shard, policy: Policy) -> ToyPool:
    return shard.tables.need(toy_pool(policy.reference_pool), ToyPool)


ACTIONS: VenueActions = ToyActions()
