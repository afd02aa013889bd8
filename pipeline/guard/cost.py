"""What acting costs: gas, swap fee, impact, and what arbitrage takes when it undoes the impact."""

from pipeline.guard.market import TIP_WEI
from pipeline.guard.question import Question
from pipeline.inventory import WHOLE_BPS
from pipeline.math.q import PIPS
from pipeline.math.reversion import loss_to_reversion
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.protocols.uniswap_v3.swap_to_ratio import SwapPlan
from pipeline.units import Address, RawAmount


def cost(question: Question) -> str | None:
    """Hold what the whole plan costs, later what a phase does, against the plan's notional."""
    seen = question.foreseen
    gas_used = sum(each.call.gas_limit for each in question.drafts) if seen is None else seen.gas_limit
    swaps = [each.swap for each in question.drafts if each.swap] if seen is None else [seen.swap]
    gas = _gas_cost_quote(question, gas_used)
    if gas is None:
        return "gas cannot be priced: neither base nor quote is the wrapped native token"
    total = gas + sum(_swap_cost_quote(question, swap) for swap in swaps)
    most = question.notional_quote * question.policy.limits.max_cost_bps // WHOLE_BPS
    return f"costs {total} quote, {gas} of it gas, more than {most}" if total > most else None


def _gas_cost_quote(question: Question, gas_used: int) -> int | None:
    policy = question.policy
    cost_wei = gas_used * (question.market.base_fee_wei + TIP_WEI)
    if policy.chain.wrapped_native in {policy.base, policy.quote}:
        return _in_quote(question, policy.chain.wrapped_native, cost_wei)
    return None


def _swap_cost_quote(question: Question, swap: SwapPlan) -> int:
    """Value what goes in less what comes out at the reference price, at least the fee; and the way back of the price."""
    if not swap.amount_in:
        return 0
    pool = question.pool()
    tokens = pool.token0, pool.token1
    token_in, token_out = tokens if swap.zero_for_one else tokens[::-1]
    paid = _in_quote(question, token_in, swap.amount_in)
    fee = paid * pool.fee_pips // PIPS
    reverted = loss_to_reversion(
        swap.liquidity, pool.sqrt_price_x96, swap.sqrt_price_after_x96, pool.fee_pips
    )
    lost = paid - _in_quote(question, token_out, swap.amount_out)
    return max(lost, fee) + _in_quote(question, pool.token1, reverted)


def _in_quote(question: Question, token: Address, amount: int) -> int:
    if token == question.policy.quote:
        return amount
    at = question.market.reference_x96
    if question.pool().token0 == token:
        return value_in_token1(RawAmount(amount), at)
    return value_in_token0(RawAmount(amount), at)
