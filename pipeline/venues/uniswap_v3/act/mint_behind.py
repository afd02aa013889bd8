"""Draft the mint that goes out together with its swap: safe whatever the swap brings, even nothing."""

import msgspec

from pipeline import keys
from pipeline.act.drafts import Draft, with_data
from pipeline.math.slippage import taken_by_mint
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import RawAmount
from pipeline.venues.uniswap_v3.act.depth import most_minted, moved_in_token1
from pipeline.venues.uniswap_v3.act.drafts import draft_mint, swap_of
from pipeline.venues.uniswap_v3.act.goal import deployable
from pipeline.venues.uniswap_v3.act.market import PoolMarket
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.wallet.forms import Balance

_MOST_ASKED_PERCENT = 98
"""So much of the token that a swap brings a mint behind it may ask for at most, or it would fail at the next small trade."""


def draft_mint_behind(
    shard: Shard, policy: Policy, goal: PoolRange, market: PoolMarket, swap: Draft
) -> tuple[Draft, ...]:
    """Draft the mint for what is left of the sold token, and the least of the other that the swap brings.

    Where the wallet has reserves, the mint must take more than the wallet has without the swap: so it fails where the
    swap does, and takes nothing of them. None where that leaves the price no room, or where it is too much for the pool's
    depth: then it is judged alone.

    Raises: PipelineError where it cannot be made.
    """
    live = need_pool(shard, goal.pool)
    pool, sized = live.pool(), swap_of(swap)
    price_x96 = live.sqrt_price_x96 if sized is None else sized.sqrt_price_after_x96
    tokens, changes = (pool.token0, pool.token1), {each.token: each.delta for each in swap.minimums}
    now = zip(tokens, deployable(shard, policy, pool), strict=True)
    amount0, amount1 = (RawAmount(amount + changes[token]) for token, amount in now)
    amounts = taken_by_mint(amount0, amount1, goal.tick_lower, goal.tick_upper, price_x96)
    if moved_in_token1(market, amounts, price_x96) > most_minted(shard, live, policy, market):
        return ()
    asks, bought = [RawAmount(0), RawAmount(0)], 0 if changes[pool.token0] > 0 else 1
    if policy.reserve(tokens[bought]):
        held = shard.tables.need(keys.balance(policy.owner, tokens[bought]), Balance).amount
        asks[bought] = RawAmount(held + 1)
        if asks[bought] * 100 > amounts[bought] * _MOST_ASKED_PERCENT:
            return ()
    drafts = draft_mint(shard, policy, goal, market, amounts, asks=(asks[0], asks[1]))
    return tuple(
        msgspec.structs.replace(with_data(each, policy.chain.data_gas), phase="mint") for each in drafts
    )
