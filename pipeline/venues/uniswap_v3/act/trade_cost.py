"""Compute the cost of the swaps of a phase or a plan: the pool's fee, price impact, and the arbitrage that undoes the impact."""

from pipeline.act.foresight import TradeCost
from pipeline.act.question import Question
from pipeline.math.fixed_point import PIPS
from pipeline.math.reversion import loss_to_reversion
from pipeline.venues.uniswap_v3.act.drafts import swap_of
from pipeline.venues.uniswap_v3.act.guard_question import foreseen_of, pool_of
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan


def trade_cost(question: Question) -> TradeCost:
    """Sum the expected trading cost of the whole plan before it begins, later that of the phase."""
    seen = foreseen_of(question.foreseen)
    if seen is not None:
        return _swap_cost(question, seen.swap)
    swaps = (swap_of(each) for each in question.drafts)
    parts = [_swap_cost(question, swap) for swap in swaps if swap is not None]
    return TradeCost(
        fee=sum(part.fee for part in parts),
        impact=sum(part.impact for part in parts),
        way_back=sum(part.way_back for part in parts),
    )


def _swap_cost(question: Question, swap: SwapPlan) -> TradeCost:
    """Value what goes in less what comes out at the reference price, at least the fee, and the loss when the price goes back."""
    if not swap.amount_in:
        return TradeCost()
    pool = pool_of(question)
    tokens = pool.token0, pool.token1
    token_in, token_out = tokens if swap.zero_for_one else tokens[::-1]
    paid = question.in_quote(token_in, swap.amount_in)
    fee = paid * pool.fee_pips // PIPS
    reverted = loss_to_reversion(
        swap.liquidity, pool.sqrt_price_x96, swap.sqrt_price_after_x96, pool.fee_pips
    )
    lost = paid - question.in_quote(token_out, swap.amount_out)
    way_back = question.in_quote(pool.token1, reverted)
    return TradeCost(fee=fee, impact=max(lost - fee, 0), way_back=way_back)
