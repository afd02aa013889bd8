"""Compute the result of a re-range before anything of it is commanded."""

from fractions import Fraction

from pipeline.act.foresight import Foreseen
from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.book.pricing import in_quote
from pipeline.math.ranges import share_of_token0
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount
from pipeline.venues.uniswap_v3 import withdrawn
from pipeline.venues.uniswap_v3.act.depth import most_minted, moved_in_token1
from pipeline.venues.uniswap_v3.act.drafts import gas_of_plan, size_swap, transactions_of_plan
from pipeline.venues.uniswap_v3.act.goal import Amounts, deployable, still_held
from pipeline.venues.uniswap_v3.act.market import PoolMarket, base_price
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.act.spenders import approvals_of_plan
from pipeline.venues.uniswap_v3.act.usual_gas import usual_gas
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan

_LEAST_SHARE = Fraction(1, 20)


class ForeseenRerange(Foreseen, frozen=True, kw_only=True):
    """The expected result of a re-range at present prices."""

    swap: SwapPlan
    """The swap of what is withdrawn and may be deployed, in the pool without the book's liquidity."""
    mint_moves: int
    """The value that the mint offers, in raw token1."""
    mint_most: RawAmount
    """The largest value that the mint may offer by the pool's depth."""


def foresee(
    shard: Shard,
    policy: Policy,
    goal: PoolRange,
    market: PoolMarket,
    stock: Stock,
    *,
    freed: Amounts,
) -> ForeseenRerange:
    """Compute a plan: withdraw, swap, mint. `freed` is what the withdrawal pays.

    An NFT of the goal that the book does not have any more withdraws nothing. Raises: PipelineError where it cannot be told.
    """
    live = need_pool(shard, goal.pool)
    leaving = still_held(shard, policy, goal)
    without = withdrawn(live, [(p.tick_lower, p.tick_upper, p.liquidity) for p in leaving if p.liquidity])
    amounts = deployable(shard, policy, live.pool(), freed)
    swap = size_swap(without, amounts, policy, goal, market)
    approvals, swaps = approvals_of_plan(shard, policy, amounts, swap), bool(swap.amount_in)
    transactions = transactions_of_plan(len(leaving), policy, swaps=swaps, approvals=approvals)
    usual = usual_gas(len(leaving), swaps=swaps, approvals=approvals)
    lower_x96, upper_x96 = sqrt_price_at_tick(goal.tick_lower), sqrt_price_at_tick(goal.tick_upper)
    minted = RawAmount(swap.amount0 - swap.left_over0), RawAmount(swap.amount1 - swap.left_over1)
    moves = moved_in_token1(market, minted, swap.sqrt_price_after_x96)
    most = most_minted(shard, without, policy, market)
    token1, spot = live.pool().token1, stock.prices[policy.base]
    return ForeseenRerange(
        moved_quote=RawAmount(sum(base_and_quote(policy, stock, amounts))),
        swap=swap,
        gas_limit=gas_of_plan(len(leaving), policy, swaps=swaps, approvals=approvals),
        gas_expected=usual + transactions * policy.chain.data_gas,
        transactions=transactions,
        share_before_bps=stock.base_share_bps,
        share_after_bps=_share_after_bps(policy, stock, swap),
        was_idle=not stock.any_in_range,
        is_active=lower_x96 <= swap.sqrt_price_after_x96 < upper_x96,
        deploys=swap.liquidity > 0,
        deployed_quote=RawAmount(in_quote(policy, token1, moves, spot)),
        most_deployed_quote=RawAmount(in_quote(policy, token1, most, spot)),
        fits=moves <= most,
        mint_moves=moves,
        mint_most=most,
    )


def share_to_hold(shard: Shard, policy: Policy, stock: Stock, freed: Amounts) -> Fraction:
    """Return the base share that the range must have for the whole book to be at its target.

    (target * value - base elsewhere) / what goes into the range, all at spot. What lies elsewhere is reserves, coin
    for gas, equivalents of the quote, other pools. Not beyond 5 % and 95 %, for at its edge a range is soon left,
    unless the target is.
    """
    wanted, (least, most) = _wanted_share(shard, policy, stock, freed)
    return min(max(wanted, least), most)


def is_kept_away(shard: Shard, policy: Policy, stock: Stock, freed: Amounts) -> bool:
    """Return whether no share of the range would bring the whole book to its target: too much lies elsewhere."""
    wanted, (least, most) = _wanted_share(shard, policy, stock, freed)
    return not least <= wanted <= most


def _wanted_share(
    shard: Shard, policy: Policy, stock: Stock, freed: Amounts
) -> tuple[Fraction, tuple[Fraction, Fraction]]:
    """Compute which base share the range would need, be there such a share or not, and between which it may lie."""
    pool = need_pool(shard, policy.reference_pool).pool()
    base, quote = base_and_quote(policy, stock, deployable(shard, policy, pool, freed))
    target = Fraction(policy.strategy.target_share_bps, WHOLE_BPS)
    ends = min(target, _LEAST_SHARE), max(target, 1 - _LEAST_SHARE)
    if not base + quote:
        return target, ends
    return (target * stock.value_quote - (stock.base_value_quote - base)) / (base + quote), ends


def misfit_bps(shard: Shard, policy: Policy, goal: PoolRange, stock: Stock, freed: Amounts) -> int:
    """Return how far from its target the share would be if a goal's swap moved no price: the effect of tick spacing and reserves alone.

    Rounds: down.
    """
    live = need_pool(shard, goal.pool)
    base, quote = base_and_quote(policy, stock, deployable(shard, policy, live.pool(), freed))
    share = share_of_token0(live.sqrt_price_x96, goal.tick_lower, goal.tick_upper)
    in_range = (share if policy.base < policy.quote else 1 - share) * (base + quote)
    off = stock.base_value_quote - base + in_range
    return abs(int(off * WHOLE_BPS / max(stock.value_quote, 1)) - policy.strategy.target_share_bps)


def base_and_quote(policy: Policy, stock: Stock, amounts: Amounts) -> tuple[int, int]:
    """Value amounts of the pool's tokens in quote, at spot. Rounds: down."""
    base, quote = amounts if policy.base < policy.quote else amounts[::-1]
    return stock.base_price.value(base), quote


def _share_after_bps(policy: Policy, stock: Stock, swap: SwapPlan) -> Bps:
    """Compute the book's share after the swap, at the price that it leaves. Rounds: down."""
    sells_base = swap.zero_for_one == (policy.base < policy.quote)
    base = stock.base_amount + (-swap.amount_in if sells_base else swap.amount_out)
    quote = stock.quote_amount + (swap.amount_out if sells_base else -swap.amount_in)
    base_value = base_price(policy, swap.sqrt_price_after_x96).value(base)
    total = base_value + quote
    return Bps(base_value * WHOLE_BPS // total if total > 0 else 0)
