"""Choose the goal of a plan: a range, and the NFTs whose liquidity moves there."""

from fractions import Fraction

import msgspec

from pipeline import keys
from pipeline.math.ranges import range_at_share
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import RawAmount, TokenId
from pipeline.venues.uniswap_v3.act.range_goal import PoolRange
from pipeline.venues.uniswap_v3.assess import held_nft, own_positions
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, Pool
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.wallet.forms import Balance

Amounts = tuple[RawAmount, RawAmount]
"""Of the reference pool's token0 and token1."""
NOTHING: Amounts = (RawAmount(0), RawAmount(0))


def liquidity_to_move(shard: Shard, policy: Policy) -> tuple[TokenId, ...]:
    """List the NFTs of the reference pool that are not empty."""
    held = (
        keys.position.parse(key)[1]
        for key, position in own_positions(shard, policy)
        if position.pool == policy.reference_pool and (position.liquidity or position.owed0 or position.owed1)
    )
    return tuple(sorted(held))


def freed_by(shard: Shard, policy: Policy, leaving: tuple[TokenId, ...]) -> Amounts:
    """Sum what withdrawn NFTs pay: principal and fees."""
    manager = acting_deployment(policy).manager
    nfts = [keys.position(manager, token_id) for token_id in leaving]
    pays = [held_nft(shard, nft, shard.tables.need(nft, NftPosition)).pays for nft in nfts]
    return RawAmount(sum(pays0 for pays0, _ in pays)), RawAmount(sum(pays1 for _, pays1 in pays))


def still_held(shard: Shard, policy: Policy, goal: PoolRange) -> list[NftPosition]:
    """List the NFTs of a goal that the book still has: another wallet may have burned or sent one while the rest was withdrawn."""
    held, manager = dict(own_positions(shard, policy)), acting_deployment(policy).manager
    named = (held.get(keys.position(manager, token_id)) for token_id in goal.withdraw)
    return [each for each in named if each is not None]


def find_gone(shard: Shard, policy: Policy, goal: PoolRange) -> str | None:
    """Name an NFT of a goal that is empty, or that the book does not have; None: each holds something.

    A goal without NFTs is about tokens in the wallet: they are gone where an NFT holds something instead.
    """
    movable = liquidity_to_move(shard, policy)
    if not goal.withdraw:
        return keys.balance(policy.owner, policy.quote) if movable else None
    gone = [token_id for token_id in goal.withdraw if token_id not in movable]
    return keys.position(acting_deployment(policy).manager, gone[0]) if gone else None


def choose_goal(
    shard: Shard, policy: Policy, withdraw: tuple[TokenId, ...], base_share: Fraction
) -> PoolRange:
    """Choose the range around the price in which a given share of the value is base; these NFTs move there.

    Raises: OutOfRangeError, ImpossibleFactError.
    """
    live = need_pool(shard, policy.reference_pool)
    lower, upper = range_at_share(
        live.sqrt_price_x96,
        live.tick_spacing,
        policy.action.half_width_log_bps,
        base_share if live.pool().token0 == policy.base else 1 - base_share,
    )
    return PoolRange(pool=policy.reference_pool, tick_lower=lower, tick_upper=upper, withdraw=withdraw)


def as_is(
    shard: Shard,
    policy: Policy,
    goal: PoolRange,
    freed: Amounts = NOTHING,
) -> PoolRange:
    """Give the swap up: choose the range whose share is that of the wallet and of what is still to be withdrawn."""
    live = need_pool(shard, goal.pool)
    amount0, amount1 = deployable(shard, policy, live.pool(), freed)
    value0 = amount0 * live.sqrt_price_x96**2
    total = value0 + (amount1 << 192)
    share0 = Fraction(value0, total) if total else Fraction(1, 2)
    half = policy.action.half_width_log_bps
    lower, upper = range_at_share(live.sqrt_price_x96, live.tick_spacing, half, share0)
    return msgspec.structs.replace(goal, tick_lower=lower, tick_upper=upper)


def deployable(
    shard: Shard,
    policy: Policy,
    pool: Pool,
    freed: Amounts = NOTHING,
) -> Amounts:
    """Return which of the owner's tokens, and of those still to be withdrawn, may go into the range: all but the reserves."""
    amounts = []
    for token, more in zip((pool.token0, pool.token1), freed, strict=True):
        balance = shard.tables.need(keys.balance(policy.owner, token), Balance)
        amounts.append(RawAmount(max(balance.amount + more - policy.reserve(token), 0)))
    return amounts[0], amounts[1]
