"""Step 6: when a phase of a goal is due, its transactions are made from the state as it is then.

withdraw (burn and collect) -> swap (to the new range's ratio) -> mint -> reset (allowances that are not zero)
"""

import msgspec

from pipeline import keys
from pipeline.allowances import APPROVE_GAS, allow, router_of, take_back
from pipeline.book import own_positions
from pipeline.errors import SwapLimitedError
from pipeline.goal import deployable, need_pool
from pipeline.math.sandwich import safe_window_x96
from pipeline.math.slippage import least_burned, least_minted, least_of_quote, minimum_out, price_window_x96
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.effects import Goal, Phase, Step
from pipeline.messages.entries import Pool
from pipeline.messages.policy import ChainProfile, Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.shard import Shard
from pipeline.units import Address, Bps, RawAmount, Seconds, SqrtPriceX96, Wei
from pipeline.venues.uniswap_v3 import LivePool, mean_tick
from pipeline.venues.uniswap_v3.calldata import (
    Withdrawal,
    write_mint,
    write_swap,
    write_withdraw,
)
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan, swap_to_ratio

WITHDRAW_GAS, SWAP_GAS, MINT_GAS = 450_000, 600_000, 900_000
"""Limits of one transaction each; of a withdrawal for each NFT."""
MOST_CALL_GAS = 5_000_000
"""A signer signs for no more unless its file says so: a withdrawal of many NFTs is several transactions."""

Amounts = tuple[RawAmount, RawAmount]
_NOTHING = RawAmount(0), RawAmount(0)


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase is planned and guarded with."""

    now_s: Seconds
    base_fee_wei: Wei
    reference_x96: SqrtPriceX96
    """The pool's own time-weighted price: not spot."""
    spot_from_twap_ticks: int
    slippage_bps: Bps
    """How far from the reference a swap or a mint may be: the policy's, and more where waiting has cost as much."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction, before anybody has agreed to it."""

    step: Step
    call: Call
    minimums: tuple[Minimum, ...] = ()
    swap: SwapPlan | None = None
    phase: Phase | None = None
    """Of which it is, where it goes out with an earlier one."""


def read_market(shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei) -> Market:
    """Take the reference price from the followed observations.

    Raises: OutOfRangeError where they do not reach back over the policy's window.
    """
    live = need_pool(shard, policy.reference_pool)
    twap_tick = mean_tick(live, now_s, policy.limits.twap_window_s)
    return Market(
        now_s=now_s,
        base_fee_wei=base_fee_wei,
        reference_x96=sqrt_price_at_tick(twap_tick),
        spot_from_twap_ticks=abs(live.tick - twap_tick),
        slippage_bps=policy.limits.slippage_bps(live.pool().fee_pips),
    )


def market_at_spot(shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei) -> Market:
    """Describe the market without any mean price: enough for what no price has a say in."""
    live = need_pool(shard, policy.reference_pool)
    return Market(
        now_s=now_s,
        base_fee_wei=base_fee_wei,
        reference_x96=live.sqrt_price_x96,
        spot_from_twap_ticks=0,
        slippage_bps=policy.limits.slippage_bps(live.pool().fee_pips),
    )


def draft(phase: Phase, shard: Shard, policy: Policy, goal: Goal, market: Market) -> tuple[Draft, ...]:
    """Make a phase's transactions from the state as it is; none where there is nothing to do.

    Raises: PipelineError where it cannot be made.
    """
    drafts = _DRAFTS[phase](shard, policy, goal, market)
    return (
        tuple(with_data(each, policy.chain.data_gas) for each in drafts) if policy.chain.data_gas else drafts
    )


def with_data(made: Draft, data_gas: int) -> Draft:
    """Leave room in a gas limit for what posting the data takes."""
    call = msgspec.structs.replace(made.call, gas_limit=made.call.gas_limit + data_gas)
    return msgspec.structs.replace(made, call=call)


def gas_of_plan(withdrawals: int, chain: ChainProfile, *, swaps: bool, approvals: int) -> int:
    """Add the gas limits of a whole plan up."""
    calls = withdrawals * WITHDRAW_GAS + swaps * SWAP_GAS + approvals * APPROVE_GAS + MINT_GAS
    return calls + transactions_of_plan(withdrawals, chain, swaps=swaps, approvals=approvals) * chain.data_gas


def transactions_of_plan(withdrawals: int, chain: ChainProfile, *, swaps: bool, approvals: int) -> int:
    """Count the transactions of a whole plan, as its gas is counted."""
    return -(-withdrawals // withdrawn_at_once(chain)) + swaps + approvals + 1


def withdrawn_at_once(chain: ChainProfile) -> int:
    """Count the NFTs that one transaction withdraws at most."""
    return max((MOST_CALL_GAS - chain.data_gas) // WITHDRAW_GAS, 1)


def _deadline_s(policy: Policy, market: Market) -> Seconds:
    return Seconds(market.now_s + policy.limits.deadline_s)


def _draft_withdraw(shard: Shard, policy: Policy, goal: Goal, market: Market) -> tuple[Draft, ...]:
    live = need_pool(shard, goal.pool)
    window = price_window_x96(live.sqrt_price_x96, policy.limits.slippage_bps(live.pool().fee_pips))
    held = dict(own_positions(shard, policy))
    # about spot: whoever pushes the price before a burn makes it pay more at the price as it was, never less
    withdrawals = []
    for token_id in goal.withdraw:
        position = held.get(keys.position(policy.chain.position_manager, token_id))
        if position is None or not (position.liquidity or position.owed0 or position.owed1):
            continue
        low, high = position.tick_lower, position.tick_upper
        minimums = least_burned(position.liquidity, low, high, window)
        withdrawals.append(
            Withdrawal(
                token_id=token_id,
                liquidity=position.liquidity,
                minimum0=minimums[0],
                minimum1=minimums[1],
            )
        )
    most, pool = withdrawn_at_once(policy.chain), live.pool()
    return tuple(
        _withdraw(policy, pool, withdrawals[first : first + most], market)
        for first in range(0, len(withdrawals), most)
    )


def _withdraw(policy: Policy, pool: Pool, withdrawals: list[Withdrawal], market: Market) -> Draft:
    data = write_withdraw(withdrawals, recipient=policy.owner, deadline_s=_deadline_s(policy, market))
    least0, least1 = sum(each.minimum0 for each in withdrawals), sum(each.minimum1 for each in withdrawals)
    call = Call(to=policy.chain.position_manager, data=data, gas_limit=WITHDRAW_GAS * len(withdrawals))
    gained = (
        Minimum(token=pool.token0, delta=RawAmount(least0)),
        Minimum(token=pool.token1, delta=RawAmount(least1)),
    )
    return Draft(step="withdraw", call=call, minimums=gained)


def _draft_swap(shard: Shard, policy: Policy, goal: Goal, market: Market) -> tuple[Draft, ...]:
    live, limits = need_pool(shard, goal.pool), policy.limits
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
        minimum_out(
            ratio.amount_in,
            market.reference_x96,
            pool.fee_pips,
            market.slippage_bps,
            zero_for_one=down,
        ),
        least_of_quote(ratio.amount_out, limits.swap_tolerance_bps),
    )
    data = write_swap(
        token_in=token_in,
        token_out=token_out,
        fee_pips=pool.fee_pips,
        recipient=policy.owner,
        amount_in=ratio.amount_in,
        minimum_out=least,
        limit_x96=ratio.limit_x96,
        deadline_s=_deadline_s(policy, market),
    )
    return (
        *_allow(shard, policy, token_in, router, ratio.amount_in),
        Draft(
            step="swap",
            call=Call(to=router, data=data, gas_limit=SWAP_GAS),
            minimums=(
                Minimum(token=token_in, delta=RawAmount(-ratio.amount_in)),
                Minimum(token=token_out, delta=least),
            ),
            swap=ratio,
        ),
    )


def size_swap(
    live: LivePool, amounts: tuple[RawAmount, RawAmount], policy: Policy, goal: Goal, market: Market
) -> SwapPlan:
    """Size the swap to the new range's ratio, ending no further from the reference than the slippage allows.

    Nor further from spot than it may without a sandwich of it paying, unless it goes privately. It is sent with the wider
    limit: what others trade before it may move the price.
    """
    fee_pips, ticks = live.pool().fee_pips, (goal.tick_lower, goal.tick_upper)
    low_x96, high_x96 = price_window_x96(market.reference_x96, market.slippage_bps)
    safe_low_x96, safe_high_x96 = safe_window_x96(live.sqrt_price_x96, fee_pips)
    if policy.action.large_swaps == "private":
        swap = swap_to_ratio(live, *amounts, *ticks, window_x96=(low_x96, high_x96))
        is_safe = safe_low_x96 <= swap.sqrt_price_after_x96 <= safe_high_x96
        return msgspec.structs.replace(swap, pays_sandwich=not is_safe and not swap.limited)
    window_x96 = max(low_x96, safe_low_x96), min(high_x96, safe_high_x96)
    swap = swap_to_ratio(live, *amounts, *ticks, window_x96=window_x96)
    limit_x96 = low_x96 if swap.zero_for_one else high_x96
    pays_sandwich = swap.limited and swap.limit_x96 != limit_x96
    return msgspec.structs.replace(swap, limit_x96=limit_x96, pays_sandwich=pays_sandwich)


def tell_limit(swap: SwapPlan) -> str:
    """Say how much of what is to be sold the price limit lets through, or is safe from a sandwich."""
    if swap.pays_sandwich:
        return f"to sell more than {swap.amount_in} moves the price by over twice the fee, and a sandwich of it pays"
    return f"the price limit {swap.limit_x96} lets only {swap.amount_in} be sold"


def _draft_mint(shard: Shard, policy: Policy, goal: Goal, market: Market) -> tuple[Draft, ...]:
    return draft_mint(
        shard, policy, goal, market, deployable(shard, policy, need_pool(shard, goal.pool).pool())
    )


def draft_mint(
    shard: Shard, policy: Policy, goal: Goal, market: Market, amounts: Amounts, *, asks: Amounts = _NOTHING
) -> tuple[Draft, ...]:
    """Make a mint of at most two amounts; it asks for what it takes within the slippage, and no less than `asks`."""
    pool, manager = need_pool(shard, goal.pool).pool(), policy.chain.position_manager
    window = price_window_x96(market.reference_x96, market.slippage_bps)
    least = least_minted(*amounts, goal.tick_lower, goal.tick_upper, window)
    minimums = max(least[0], asks[0]), max(least[1], asks[1])
    data = write_mint(
        token0=pool.token0,
        token1=pool.token1,
        fee_pips=pool.fee_pips,
        ticks=(goal.tick_lower, goal.tick_upper),
        amounts=amounts,
        minimums=minimums,
        recipient=policy.owner,
        deadline_s=_deadline_s(policy, market),
    )
    tokens = tuple(zip((pool.token0, pool.token1), amounts, strict=True))
    return (
        *(
            each
            for token, amount in tokens
            if amount
            for each in _allow(shard, policy, token, manager, amount)
        ),
        Draft(
            step="mint",
            call=Call(to=manager, data=data, gas_limit=MINT_GAS),
            minimums=tuple(Minimum(token=t, delta=RawAmount(-amount)) for t, amount in tokens),
        ),
    )


def _draft_reset(shard: Shard, policy: Policy, goal: Goal, market: Market) -> tuple[Draft, ...]:
    del goal, market
    return tuple(Draft(step="reset", call=call) for call in take_back(shard, policy))


def _allow(
    shard: Shard, policy: Policy, token: Address, spender: Address, amount: RawAmount
) -> tuple[Draft, ...]:
    return tuple(Draft(step="approve", call=call) for call in allow(shard, policy, token, spender, amount))


_DRAFTS = {
    "withdraw": _draft_withdraw,
    "swap": _draft_swap,
    "mint": _draft_mint,
    "reset": _draft_reset,
}
