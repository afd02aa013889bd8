"""Step 6: draft the transactions of a phase when it is due, from the state as it is then.

withdraw (burn and collect) -> swap (to the new range's ratio) -> mint -> reset (allowances that are not zero)
"""

import msgspec

from pipeline.act.allowances import APPROVE_GAS, allow, take_back
from pipeline.act.drafts import Draft, with_data
from pipeline.errors import SwapLimitedError
from pipeline.math.sandwich import safe_window_x96
from pipeline.math.slippage import (
    least_minted,
    least_of_quote,
    taken_by_mint,
)
from pipeline.messages.goals import Phase
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.state.shard import Shard
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3 import LivePool
from pipeline.venues.uniswap_v3.act import market as markets
from pipeline.venues.uniswap_v3.act.depth import depth_window, part_of_mint
from pipeline.venues.uniswap_v3.act.goal import deployable
from pipeline.venues.uniswap_v3.act.market import (
    PoolMarket,
    least_swapped,
    mint_window,
    narrower,
    swap_tolerance_bps,
    swap_window,
)
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.act.spenders import grants, router_of
from pipeline.venues.uniswap_v3.act.withdrawals import (
    WITHDRAW_GAS,
    draft_withdrawals,
    withdrawn_at_once,
)
from pipeline.venues.uniswap_v3.calldata import (
    write_mint,
    write_swap,
)
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan, swap_to_ratio

SWAP_GAS, MINT_GAS = 600_000, 900_000
"""Limits of one transaction each."""

Amounts = tuple[RawAmount, RawAmount]
_NOTHING = RawAmount(0), RawAmount(0)


class SwapDraft(Draft, frozen=True, kw_only=True):
    """A swap, and the market that it was sized for."""

    swap: SwapPlan


def draft(
    phase: Phase, shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket
) -> tuple[Draft, ...]:
    """Draft a phase's transactions from the present state; none where there is nothing to do.

    Raises: PipelineError where it cannot be made.
    """
    drafts = _DRAFTS[phase](shard, policy, goal, market)
    return (
        tuple(with_data(each, policy.chain.data_gas) for each in drafts) if policy.chain.data_gas else drafts
    )


def swap_of(made: Draft) -> SwapPlan | None:
    """Return what a draft swaps; None where it does not."""
    return made.swap if isinstance(made, SwapDraft) else None


def gas_of_plan(withdrawals: int, policy: Policy, *, swaps: bool, approvals: int) -> int:
    """Sum the gas limits of a whole plan."""
    calls = withdrawals * WITHDRAW_GAS + swaps * SWAP_GAS + approvals * APPROVE_GAS + MINT_GAS
    return (
        calls
        + transactions_of_plan(withdrawals, policy, swaps=swaps, approvals=approvals) * policy.chain.data_gas
    )


def transactions_of_plan(withdrawals: int, policy: Policy, *, swaps: bool, approvals: int) -> int:
    """Count the transactions of a whole plan, as its gas is counted."""
    return -(-withdrawals // withdrawn_at_once(policy)) + swaps + approvals + 1


def _draft_withdraw(shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket) -> tuple[Draft, ...]:
    return draft_withdrawals(shard, policy, goal.pool, goal.withdraw, market)


def _draft_swap(shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket) -> tuple[Draft, ...]:
    live = need_pool(shard, goal.pool)
    pool = live.pool()
    ratio = size_swap(live, deployable(shard, policy, pool), policy, goal, market)
    if not ratio.amount_in:
        if ratio.limited:
            raise SwapLimitedError(f"spot {live.sqrt_price_x96} is beyond the limit {ratio.limit_x96}")
        return ()
    router = router_of(policy)
    down = ratio.zero_for_one
    token_in, token_out = (pool.token0, pool.token1) if down else (pool.token1, pool.token0)
    least = max(
        least_swapped(policy, market, pool.fee_pips, ratio.amount_in, zero_for_one=down),
        least_of_quote(ratio.amount_out, swap_tolerance_bps(policy)),
    )
    data = write_swap(
        token_in=token_in,
        token_out=token_out,
        fee_pips=pool.fee_pips,
        recipient=policy.owner,
        amount_in=ratio.amount_in,
        minimum_out=least,
        limit_x96=ratio.limit_x96,
        deadline_s=markets.deadline_of(policy, market),
    )
    return (
        *allow(shard, policy, token_in, router, ratio.amount_in),
        SwapDraft(
            step="swap",
            call=Call(to=router, data=data, gas_limit=SWAP_GAS),
            minimums=(
                Minimum(token=token_in, delta=RawAmount(-ratio.amount_in)),
                Minimum(token=token_out, delta=least),
            ),
            is_private=ratio.pays_sandwich,
            swap=ratio,
        ),
    )


def size_swap(
    live: LivePool, amounts: Amounts, policy: Policy, goal: PoolRange, market: PoolMarket
) -> SwapPlan:
    """Size the swap to the new range's ratio, so that it ends no further from the mean prices than slippage and signer allow.

    Nor may it sell more than the pool's depth allows, nor end further from spot than it may without a sandwich of it
    paying, unless it goes privately. It is sent with the limit of the means: what others trade before it may move the price.
    """
    fee_pips, ticks = live.pool().fee_pips, (goal.tick_lower, goal.tick_upper)
    means, depth = swap_window(policy, market, fee_pips), depth_window(live, policy, market)
    safe = safe_window_x96(live.sqrt_price_x96, fee_pips)
    goes_privately = policy.action.large_swaps == "private"
    window = narrower(means, depth) if goes_privately else narrower(narrower(means, depth), safe)
    swap = swap_to_ratio(live, *amounts, *ticks, window_x96=window)
    end = 0 if swap.zero_for_one else 1
    by_depth = swap.limited and swap.limit_x96 == depth[end] != means[end]
    by_safety = swap.limited and not by_depth and swap.limit_x96 != means[end]
    is_safe = safe[0] <= swap.sqrt_price_after_x96 <= safe[1]
    return msgspec.structs.replace(
        swap,
        limit_x96=means[end],
        beyond_depth=by_depth,
        pays_sandwich=not is_safe and not swap.limited if goes_privately else by_safety,
    )


def describe_limit(swap: SwapPlan) -> str:
    """Describe how much of what is to be sold the price limit, the pool's depth, or safety from a sandwich allows."""
    if swap.beyond_depth:
        return f"to sell more than {swap.amount_in} is beyond max_share_of_depth, of what the pool holds within 1 %"
    if swap.pays_sandwich:
        return f"to sell more than {swap.amount_in} moves the price by over twice the fee, and a sandwich of it pays"
    return f"the price limit {swap.limit_x96} lets only {swap.amount_in} be sold"


def _draft_mint(shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket) -> tuple[Draft, ...]:
    live = need_pool(shard, goal.pool)
    amounts = deployable(shard, policy, live.pool())
    if market.in_part:
        amounts = part_of_mint(shard, policy, live, market, amounts) or amounts
    taken = taken_by_mint(*amounts, goal.tick_lower, goal.tick_upper, live.sqrt_price_x96)
    return draft_mint(shard, policy, goal, market, taken)


def draft_mint(
    shard: Shard,
    policy: Policy,
    goal: PoolRange,
    market: PoolMarket,
    amounts: Amounts,
    *,
    asks: Amounts = _NOTHING,
) -> tuple[Draft, ...]:
    """Draft a mint of two amounts in the range's ratio; its minimums are what it takes within the slippage, and at least `asks`.

    With more of one token than goes with the other, the minimums would be met far beyond the window.
    """
    pool, manager = need_pool(shard, goal.pool).pool(), acting_deployment(policy).manager
    ticks = goal.tick_lower, goal.tick_upper
    least = least_minted(*amounts, *ticks, mint_window(policy, market))
    minimums = max(least[0], asks[0]), max(least[1], asks[1])
    data = write_mint(
        token0=pool.token0,
        token1=pool.token1,
        fee_pips=pool.fee_pips,
        ticks=ticks,
        amounts=amounts,
        minimums=minimums,
        recipient=policy.owner,
        deadline_s=markets.deadline_of(policy, market),
    )
    tokens = tuple(zip((pool.token0, pool.token1), amounts, strict=True))
    return (
        *(
            each
            for token, amount in tokens
            if amount
            for each in allow(shard, policy, token, manager, amount)
        ),
        Draft(
            step="mint",
            call=Call(to=manager, data=data, gas_limit=MINT_GAS),
            minimums=tuple(Minimum(token=t, delta=RawAmount(-amount)) for t, amount in tokens),
        ),
    )


def _draft_reset(shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket) -> tuple[Draft, ...]:
    del goal, market
    return take_back(shard, policy, grants(shard, policy))


_DRAFTS = {
    "withdraw": _draft_withdraw,
    "swap": _draft_swap,
    "mint": _draft_mint,
    "reset": _draft_reset,
}
