"""Draft withdrawals from NFTs, whole or in part: burn and collect, as many NFTs per transaction as the signer's limit allows."""

from collections.abc import Iterable

from pipeline import keys
from pipeline.act.drafts import Draft
from pipeline.math.slippage import least_burned, price_window_x96
from pipeline.messages.goals import Step
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.state.shard import Shard
from pipeline.units import Address, Liquidity, RawAmount, TokenId
from pipeline.venues.uniswap_v3.act import market as markets
from pipeline.venues.uniswap_v3.act.market import PoolMarket
from pipeline.venues.uniswap_v3.assess import own_positions
from pipeline.venues.uniswap_v3.calldata import Withdrawal, write_withdraw
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.pools import need_pool

WITHDRAW_GAS = 450_000
"""Limit of a withdrawal for each NFT, and as many NFTs in one transaction as the signer's limit allows."""


def withdrawn_at_once(policy: Policy) -> int:
    """Return how many NFTs one transaction withdraws at most, within the gas limit that the signer allows."""
    return max((policy.limits.signer.max_gas_limit - policy.chain.data_gas) // WITHDRAW_GAS, 1)


def draft_withdrawals(
    shard: Shard,
    policy: Policy,
    pool: Address,
    token_ids: Iterable[TokenId],
    market: PoolMarket,
    *,
    hundredths: int = 100,
    step: Step = "withdraw",
) -> tuple[Draft, ...]:
    """Draft the transactions that burn some hundredths of each NFT's liquidity and collect all that it is owed."""
    live = need_pool(shard, pool)
    window = price_window_x96(live.sqrt_price_x96, policy.limits.slippage_bps(live.pool().fee_pips))
    held, manager = dict(own_positions(shard, policy)), acting_deployment(policy).manager
    # about spot: whoever pushes the price before a burn makes it pay more at the price as it was, never less
    withdrawals = []
    for token_id in token_ids:
        position = held.get(keys.position(manager, token_id))
        if position is None or not (position.liquidity or position.owed0 or position.owed1):
            continue
        low, high, burned = position.tick_lower, position.tick_upper, part_of(position.liquidity, hundredths)
        minimums = least_burned(burned, low, high, window)
        withdrawals.append(
            Withdrawal(
                token_id=token_id,
                liquidity=burned,
                minimum0=minimums[0],
                minimum1=minimums[1],
            )
        )
    most = withdrawn_at_once(policy)
    return tuple(
        _withdraw(policy, live.pool(), withdrawals[first : first + most], market, step)
        for first in range(0, len(withdrawals), most)
    )


def part_of(liquidity: Liquidity, hundredths: int) -> Liquidity:
    """Return some hundredths of a liquidity. Rounds: down."""
    return Liquidity(liquidity * hundredths // 100)


def _withdraw(
    policy: Policy, pool: Pool, withdrawals: list[Withdrawal], market: PoolMarket, step: Step
) -> Draft:
    data = write_withdraw(withdrawals, recipient=policy.owner, deadline_s=markets.deadline_of(policy, market))
    least0, least1 = sum(each.minimum0 for each in withdrawals), sum(each.minimum1 for each in withdrawals)
    manager = acting_deployment(policy).manager
    call = Call(to=manager, data=data, gas_limit=WITHDRAW_GAS * len(withdrawals))
    gained = (
        Minimum(token=pool.token0, delta=RawAmount(least0)),
        Minimum(token=pool.token1, delta=RawAmount(least1)),
    )
    return Draft(step=step, call=call, minimums=gained)
