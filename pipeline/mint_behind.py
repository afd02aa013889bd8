"""The mint that goes out with its swap: made before anybody knows what the swap brings, and harmless where it brings nothing."""

import msgspec

from pipeline import keys
from pipeline.goal import deployable, need_pool
from pipeline.messages.effects import Goal
from pipeline.messages.entries import Balance
from pipeline.messages.policy import Policy
from pipeline.plan import Draft, Market, draft_mint, with_data
from pipeline.shard import Shard
from pipeline.units import RawAmount

_MOST_ASKED_PERCENT = 98
"""So much of the token that a swap brings a mint behind it may ask for at most, or it would fail at the next small trade."""


def draft_mint_behind(
    shard: Shard, policy: Policy, goal: Goal, market: Market, swap: Draft
) -> tuple[Draft, ...]:
    """Make the mint for what is left of the one token, and the least of the other that a swap brings.

    Where the wallet has reserves, the mint must take more than the wallet has without the swap: so it fails where the
    swap does, and takes nothing of them. None where that leaves the price no room.

    Raises: PipelineError where it cannot be made.
    """
    pool = need_pool(shard, goal.pool).pool()
    tokens, changes = (pool.token0, pool.token1), {each.token: each.delta for each in swap.minimums}
    now = zip(tokens, deployable(shard, policy, pool), strict=True)
    amount0, amount1 = (RawAmount(amount + changes[token]) for token, amount in now)
    asks, bought = [RawAmount(0), RawAmount(0)], 0 if changes[pool.token0] > 0 else 1
    if policy.reserve(tokens[bought]):
        held = shard.tables.need(keys.balance(policy.owner, tokens[bought]), Balance).amount
        asks[bought] = RawAmount(held + 1)
        if asks[bought] * 100 > (amount0, amount1)[bought] * _MOST_ASKED_PERCENT:
            return ()
    drafts = draft_mint(shard, policy, goal, market, (amount0, amount1), asks=(asks[0], asks[1]))
    return tuple(
        msgspec.structs.replace(with_data(each, policy.chain.data_gas), phase="mint") for each in drafts
    )
