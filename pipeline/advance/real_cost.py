"""What a plan really costs: added up at every block from its receipts, the pool's logs of its swaps, and the pool's fees."""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.goal import deployable
from pipeline.act.missed_fees import grown
from pipeline.act.settle import is_outside
from pipeline.advance.book_context import BookContext
from pipeline.book.inventory import Tracked
from pipeline.book.pricing import gas_in_quote, in_quote
from pipeline.errors import OutOfRangeError, PipelineError
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import Output
from pipeline.messages.costs import ForeseenCost, PlanCost, RealCost
from pipeline.messages.decisions import PlanClosed
from pipeline.messages.effects import Intent, Plan
from pipeline.messages.entries import Mined, Pool
from pipeline.state.shard import Shard
from pipeline.units import Bps, GrowthX128, Hash, Liquidity, RawAmount, SqrtPriceX96, Wei
from pipeline.venues.uniswap_v3 import LivePool, mean_tick
from pipeline.venues.uniswap_v3.pools import live_pool


def count_cost(context: BookContext, tracked: Tracked) -> None:
    """Add what a block has cost the book's plan, while it is open: also where the book is not known."""
    tables, policy = context.shard.tables, context.policy
    plan = tables.find(keys.plan(policy.book), Plan)
    live = live_pool(context.shard, policy.reference_pool)
    if plan is None or plan.closed is not None or live is None or not live.sqrt_price_x96:
        return
    before = tables.find(keys.cost(policy.book), PlanCost)
    if before is None or before.plan != plan.id:
        before = PlanCost(plan=plan.id)
    at_x96 = _reference_x96(context, live)
    gas, counted = _add_gas(context, plan, before, at_x96)
    cost = replace(
        gas,
        swap_loss=RawAmount(gas.swap_loss + _swap_loss(context, plan, tracked, at_x96)),
        missed_fees=RawAmount(gas.missed_fees + _missed(context, live, before, at_x96)),
    )
    after = replace(before, cost=cost, counted=counted, grown_x128=None, earning=Liquidity(0))
    if is_outside(plan, tables):
        after = replace(
            after,
            cost=replace(cost, blocks_outside=cost.blocks_outside + 1),
            grown_x128=_growth(live),
            earning=_earning(context, plan, live),
        )
    tables.put(keys.cost(policy.book), after)


def with_cost(shard: Shard, said: Output, deviation_bps: Bps | None) -> Output:
    """Tell with a plan's end what it has cost, and what was foreseen; anything else is said as it is."""
    plan = shard.tables.find(keys.plan(said.book), Plan) if isinstance(said, PlanClosed) else None
    if not isinstance(said, PlanClosed) or plan is None or plan.id != said.plan:
        return said
    counted = shard.tables.find(keys.cost(said.book), PlanCost)
    cost = counted.cost if counted is not None and counted.plan == plan.id else None
    return replace(
        said,
        cost=cost,
        foreseen=plan.foreseen,
        over_foreseen=_over(cost, plan.foreseen),
        deviation_before_bps=plan.deviation_before_bps,
        deviation_after_bps=deviation_bps,
    )


def _over(cost: RealCost | None, foreseen: ForeseenCost | None) -> RawAmount | None:
    if cost is None or cost.paid is None or foreseen is None:
        return None
    return RawAmount(cost.paid - foreseen.expected)


# ------------------------------------------------------------------ gas
def _add_gas(
    context: BookContext, plan: Plan, before: PlanCost, at_x96: SqrtPriceX96
) -> tuple[RealCost, tuple[Hash, ...]]:
    """Count each receipt once, also one whose hash the signer told after its block."""
    cost, counted = before.cost, list(before.counted)
    for tx_hash in _hashes(context, plan):
        receipt = context.shard.tables.find(keys.receipt(tx_hash), Mined)
        if receipt is None or tx_hash in counted:
            continue
        wei = receipt.gas_used * receipt.effective_gas_price_wei
        quote = gas_in_quote(context.policy, wei, at_x96)
        cost = replace(
            cost,
            transactions=cost.transactions + 1,
            gas_used=cost.gas_used + receipt.gas_used,
            gas_wei=Wei(cost.gas_wei + wei),
            gas_quote=None if quote is None or cost.gas_quote is None else RawAmount(cost.gas_quote + quote),
        )
        counted.append(tx_hash)
    return cost, tuple(counted)


def _hashes(context: BookContext, plan: Plan, step: str | None = None) -> Iterator[Hash]:
    """List the transactions that a plan's steps were signed as; without a step, cancellations too."""
    for each in plan.steps:
        intent = context.shard.tables.find(keys.intent(each.intent), Intent)
        if intent is not None and step in {None, each.step}:
            yield from intent.hashes
            yield from intent.cancellations if step is None else ()


# ------------------------------------------------------------------ swaps
def _swap_loss(context: BookContext, plan: Plan, tracked: Tracked, at_x96: SqrtPriceX96) -> int:
    """Value what the plan's swaps in this block paid less what they got. Rounds: each amount down."""
    own = set(_hashes(context, plan, "swap"))
    loss = 0
    for log, swap in tracked.swaps:
        pool = context.shard.tables.find(keys.pool(swap.address), Pool)
        if log.transaction_hash not in own or pool is None:
            continue
        for token, delta in ((pool.token0, swap.amount0_delta), (pool.token1, swap.amount1_delta)):
            if token in {context.policy.base, context.policy.quote}:
                worth = in_quote(context.policy, token, abs(delta), at_x96)
                loss += worth if delta > 0 else -worth
    return loss


def _reference_x96(context: BookContext, live: LivePool) -> SqrtPriceX96:
    """Take the mean price up to this block, in which nothing of the block itself counts; spot where there is none."""
    try:
        tick = mean_tick(live, context.block.timestamp_s, context.policy.limits.twap_window_s)
    except OutOfRangeError:
        return live.sqrt_price_x96
    return sqrt_price_at_tick(tick)


# ------------------------------------------------------------------ fees
def _missed(context: BookContext, live: LivePool, before: PlanCost, at_x96: SqrtPriceX96) -> int:
    """Value the fees of this block that the tokens would have earned, had they not lain outside. Rounds: down."""
    if before.grown_x128 is None:
        return 0
    pool, now = live.pool(), _growth(live)
    fees = (before.earning * grown(now[i], before.grown_x128[i]) >> 128 for i in (0, 1))
    tokens = (pool.token0, pool.token1)
    return sum(in_quote(context.policy, t, fee, at_x96) for t, fee in zip(tokens, fees, strict=True))


def _growth(live: LivePool) -> tuple[GrowthX128, GrowthX128]:
    return live.pool().growth0_x128, live.pool().growth1_x128


def _earning(context: BookContext, plan: Plan, live: LivePool) -> Liquidity:
    """Tell which liquidity the tokens would be in the plan's range, beside what is in range now; 0 where it is not.

    liquidity * others / (others + liquidity)
    """
    goal, others = plan.goal, live.liquidity
    if not goal.tick_lower <= live.tick < goal.tick_upper or not others:
        return Liquidity(0)
    try:
        amounts = deployable(context.shard, context.policy, live.pool())
        liquidity = liquidity_for_amounts(live.sqrt_price_x96, goal.tick_lower, goal.tick_upper, *amounts)
    except PipelineError:  # a balance is not known
        return Liquidity(0)
    return Liquidity(liquidity * others // (others + liquidity))
