"""The port's implementation for Uniswap V3: a re-range in four phases, withdraw, swap, mint, reset."""

from collections.abc import Mapping

from pipeline import keys
from pipeline.act.allowances import Grant
from pipeline.act.drafts import Course, Draft
from pipeline.act.foresight import Foreseen, Market, TradeCost
from pipeline.act.question import Question, VenueGuards
from pipeline.book.inventory import Stock
from pipeline.messages.base import Price
from pipeline.messages.facts import Fact
from pipeline.messages.goals import RESET, Goal, Phase, PlanPhase, Step, Terms, read_terms, write_terms
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount, Seconds, Wei
from pipeline.venues.acting import VenueFreeing, VenueTrades
from pipeline.venues.uniswap_v3.act import call_guards, market_guards, missed_fees, spenders
from pipeline.venues.uniswap_v3.act import market as markets
from pipeline.venues.uniswap_v3.act.drafts import MINT_GAS, draft
from pipeline.venues.uniswap_v3.act.goal import find_gone
from pipeline.venues.uniswap_v3.act.guard_question import market_of
from pipeline.venues.uniswap_v3.act.mint_behind import draft_mint_behind
from pipeline.venues.uniswap_v3.act.missed_fees import Growth, Outside
from pipeline.venues.uniswap_v3.act.outlook import choose, look_ahead
from pipeline.venues.uniswap_v3.act.partial_withdrawal import UniswapV3Freeing
from pipeline.venues.uniswap_v3.act.range_goal import goal_of, range_of
from pipeline.venues.uniswap_v3.act.reconsider import reconsider_mint, reconsider_swap
from pipeline.venues.uniswap_v3.act.trade_cost import trade_cost
from pipeline.venues.uniswap_v3.act.trades import UniswapV3Trades
from pipeline.venues.uniswap_v3.act.usual_gas import USUAL_GAS, USUAL_PLAN_GAS
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.forms.facts import Swapped

GUARDS = VenueGuards(
    prices={"spot_from_twap": market_guards.spot_from_twap},
    sizes={
        "swap_limited": market_guards.swap_limited,
        "mint_limited": market_guards.mint_limited,
        "depth": market_guards.depth,
    },
    calls={
        "not_allowed": call_guards.not_allowed,
        "min_out": call_guards.min_out,
        "price_limit": call_guards.price_limit,
        "deadline": call_guards.deadline,
    },
    of_trades=frozenset({"swap_limited", "mint_limited"}),  # spot far from its mean holds a mint, too
    passing=frozenset({"spot_from_twap", "swap_limited", "mint_limited", "depth", "min_out", "price_limit"}),
)

PHASES = (
    PlanPhase(name="withdraw", does="frees"),
    PlanPhase(name="swap", does="trades"),
    PlanPhase(name="mint", does="places"),
    PlanPhase(name=RESET, does="resets"),
)


class UniswapV3Actions:
    """Re-ranges a book in its reference pool."""

    guards: VenueGuards = GUARDS
    phases: tuple[PlanPhase, ...] = PHASES
    in_part: frozenset[Phase] = frozenset({"mint"})
    behind: Mapping[Phase, Phase] = {"swap": "mint"}
    trades: VenueTrades | None = UniswapV3Trades()
    freeing: VenueFreeing | None = UniswapV3Freeing()
    usual_gas: Mapping[Step, int] = USUAL_GAS
    usual_plan_gas: int = USUAL_PLAN_GAS
    least_gas_limit: int = MINT_GAS

    def spenders(self, policy: Policy) -> tuple[Address, ...]:
        """List position manager and router."""
        return spenders.spenders(policy)

    def grants(self, shard: Shard, policy: Policy) -> tuple[Grant, ...]:
        """List the pool's tokens, each with router and position manager as spenders."""
        return spenders.grants(shard, policy)

    # -------------------------------------------------------------- the whole plan
    def is_urgent(self, goal: Goal) -> bool:
        """Return False: no re-range is urgent."""
        del goal
        return False

    def phases_of(self, goal: Goal) -> tuple[PlanPhase, ...]:
        """List all four phases: each re-range has them."""
        del goal
        return self.phases

    def choose_goal(self, shard: Shard, policy: Policy, stock: Stock) -> Goal:
        """Choose the range that brings the whole book to its target share, and the NFTs that move there."""
        return goal_of(choose(shard, policy, stock))

    def foresee(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock
    ) -> tuple[Goal, Foreseen]:
        """Compute a re-range; where its swap would be cut short, the largest step towards it."""
        taken, foreseen = look_ahead(shard, policy, range_of(goal), market_of(market), stock)
        return goal_of(taken), foreseen

    def find_gone(self, shard: Shard, policy: Policy, goal: Goal) -> str | None:
        """Name an NFT of the goal that the book does not have, or that is empty; or the wallet whose tokens were to be placed."""
        return find_gone(shard, policy, range_of(goal))

    # -------------------------------------------------------------- one phase
    def read_market(
        self, shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei, *, phase: Phase
    ) -> Market:
        """Read the pool's mean prices; a reset needs none."""
        read = markets.market_at_spot if phase == RESET else markets.read_market
        return read(shard, policy, now_s, base_fee_wei)

    def widened(self, shard: Shard, policy: Policy, market: Market, cost_bps: int) -> Market:
        """Widen the slippage, at most to how far spot may be from its mean."""
        return markets.widened(shard, policy, market_of(market), cost_bps)

    def reconsider(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> Course:
        """Reconsider a swap or a mint."""
        if phase == "swap":
            return reconsider_swap(shard, policy, range_of(goal), market_of(market), stock)
        if phase == "mint":
            return reconsider_mint(shard, policy, range_of(goal), market_of(market), stock)
        return Course(goal=goal)

    def draft(
        self, shard: Shard, policy: Policy, goal: Goal, market: Market, stock: Stock, *, phase: Phase
    ) -> tuple[Draft, ...]:
        """Make the calls to position manager, router and tokens."""
        del stock
        return draft(phase, shard, policy, range_of(goal), market_of(market))

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
        """Make the mint that goes out with its swap, where nobody must be allowed anything for either."""
        del stock
        if len(first) != 1:
            return ()
        made = draft_mint_behind(shard, policy, range_of(goal), market_of(market), first[0])
        return made if len(made) == 1 else ()

    def trade_cost(self, question: Question) -> TradeCost:
        """Return the cost of the swaps: fee, price impact, and the loss when the price goes back."""
        return trade_cost(question)

    # -------------------------------------------------------------- what waiting misses, what a plan has cost
    def paid_so_far(self, shard: Shard, policy: Policy) -> Terms:
        """Return the fees that the pool has ever earned per unit of liquidity."""
        return write_terms(missed_fees.growth_now(shard, policy))

    def missed_fees(self, shard: Shard, policy: Policy, goal: Goal, since: Terms, stock: Stock) -> RawAmount:
        """Value the fees that the tokens would have earned in the goal's range."""
        return missed_fees.missed_fees(shard, policy, range_of(goal), read_terms(since, Growth), stock)

    def outside(self, shard: Shard, policy: Policy, goal: Goal) -> Terms:
        """Return the same, and the liquidity that the tokens would be in the goal's range, diluted by themselves."""
        return write_terms(missed_fees.outside(shard, policy, range_of(goal)))

    def fees_earned(
        self, shard: Shard, policy: Policy, outside: Terms
    ) -> tuple[tuple[Address, RawAmount], ...]:
        """Return what liquidity in range has earned since then."""
        return missed_fees.fees_earned(shard, policy, read_terms(outside, Outside))

    def mean_price(self, shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
        """Return the pool's mean price over the policy's window."""
        return markets.mean_price(shard, policy, now_s)

    def paid_and_got(self, shard: Shard, swap: Fact) -> tuple[tuple[Address, int], ...]:
        """Return a swap's amounts; nothing for a pool that is not followed, or another venue's trade."""
        if not isinstance(swap, Swapped):
            return ()
        pool = shard.tables.find(keys.pool(swap.address), Pool)
        if pool is None:
            return ()
        return (pool.token0, swap.amount0_delta), (pool.token1, swap.amount1_delta)
