"""Take a part of a book's liquidity out of its reference pool, outside any re-range: a source in an emergency of the hedge."""

from pipeline.act.drafts import Draft, with_data
from pipeline.act.foresight import Freed, Market
from pipeline.math.amounts import range_amounts
from pipeline.messages.goals import Step
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Liquidity, RawAmount
from pipeline.venues.uniswap_v3.act.goal import freed_by, liquidity_to_move
from pipeline.venues.uniswap_v3.act.guard_question import market_of
from pipeline.venues.uniswap_v3.act.usual_gas import USUAL_GAS
from pipeline.venues.uniswap_v3.act.withdrawals import (
    WITHDRAW_GAS,
    draft_withdrawals,
    part_of,
    withdrawn_at_once,
)
from pipeline.venues.uniswap_v3.assess import own_positions
from pipeline.venues.uniswap_v3.pools import need_pool


class UniswapV3Freeing:
    """Burns the same share of each NFT in the reference pool, and collects what it is owed."""

    usual_gas: int = USUAL_GAS["withdraw"]

    def freed(self, shard: Shard, policy: Policy, hundredths: int) -> Freed:
        """Compute what a full withdrawal pays, less the value of the liquidity that stays, which is rounded up."""
        live, leaving = need_pool(shard, policy.reference_pool), liquidity_to_move(shard, policy)
        paid: list[int] = list(freed_by(shard, policy, leaving))
        for _, position in own_positions(shard, policy):
            if position.pool != policy.reference_pool or not position.liquidity:
                continue
            stays = Liquidity(position.liquidity - part_of(position.liquidity, hundredths))
            kept = range_amounts(
                live.sqrt_price_x96, position.tick_lower, position.tick_upper, stays, round_up=True
            )
            paid = [amount - each for amount, each in zip(paid, kept, strict=True)]
        amounts = [RawAmount(max(amount, 0)) for amount in paid]
        base, quote = amounts if live.pool().token0 == policy.base else reversed(amounts)
        transactions = -(-len(leaving) // withdrawn_at_once(policy))
        return Freed(
            hundredths=hundredths,
            base=base,
            quote=quote,
            gas_limit=WITHDRAW_GAS * len(leaving),
            transactions=transactions,
        )

    def draft(
        self, shard: Shard, policy: Policy, market: Market, hundredths: int, *, step: Step
    ) -> tuple[Draft, ...]:
        """Make the calls to the position manager."""
        leaving = liquidity_to_move(shard, policy)
        made = draft_withdrawals(
            shard,
            policy,
            policy.reference_pool,
            leaving,
            market_of(market),
            hundredths=hundredths,
            step=step,
        )
        return tuple(with_data(each, policy.chain.data_gas) for each in made)
