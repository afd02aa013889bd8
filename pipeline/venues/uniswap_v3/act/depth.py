"""Bound the share of a pool's depth that a swap or a mint may move, as the signer does.

The signer measures the depth itself, at its own head, and knows of pools that the book does not name.
"""

from pipeline.book.inventory import WHOLE_BPS
from pipeline.math.slippage import price_window_x96
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Bps, Liquidity, RawAmount, SqrtPriceX96
from pipeline.venues.uniswap_v3 import LivePool, quote
from pipeline.venues.uniswap_v3.act.market import PoolMarket, Window
from pipeline.venues.uniswap_v3.pools import live_pool, need_pool
from pipeline.venues.uniswap_v3.working_pool import WorkingPool

NEAR_BPS = Bps(100)
_MOST_INPUT = RawAmount(2**127)
"""More than there is of any token: a price limit ends the swap."""
_PLANNED_PERCENT = 90
"""So much of the bound is planned for: prices and liquidity go on until the signer asks."""
_LEAST_PART_PERCENT = 10
"""A mint of less than that of what there is would be no way back into the market."""


def depth_in_token1(pool: WorkingPool, mean_liquidity: Liquidity) -> RawAmount:
    """Compute the lesser of what a pool holds from its price to 1 % below and to 1 % above it.

    What exceeds the mean of the past does not count.

    Units:  raw token1; the token0 above the price at the price.
    Rounds: down.
    """
    low_x96, high_x96 = price_window_x96(pool.sqrt_price_x96, NEAR_BPS)
    below = -quote(pool, _MOST_INPUT, zero_for_one=True, limit_x96=low_x96).amount1_delta
    amount0 = -quote(pool, _MOST_INPUT, zero_for_one=False, limit_x96=high_x96).amount0_delta
    depth = min(below, value_in_token1(RawAmount(amount0), pool.sqrt_price_x96))
    if mean_liquidity < pool.liquidity:
        return RawAmount(depth * mean_liquidity // pool.liquidity)
    return RawAmount(depth)


def most_moved(pool: WorkingPool, policy: Policy, market: PoolMarket) -> RawAmount:
    """Return how much of a pool's depth one swap or mint may move. Units: raw token1. Rounds: down."""
    depth = depth_in_token1(pool, market.mean_liquidity)
    return RawAmount(
        depth * policy.limits.signer.max_share_of_depth_bps * _PLANNED_PERCENT // (WHOLE_BPS * 100)
    )


def most_minted(shard: Shard, pool: WorkingPool, policy: Policy, market: PoolMarket) -> RawAmount:
    """Return how much one mint may put into a pool, by the deepest of the book's pools of its pair. Units: raw token1."""
    tokens = need_pool(shard, pool.address).pool()
    depths = [most_moved(pool, policy, market)]
    for address in policy.all_pools():
        other = live_pool(shard, address)
        if address == pool.address or other is None or not other.sqrt_price_x96:
            continue
        entry = other.pool()
        if (entry.token0, entry.token1) == (tokens.token0, tokens.token1):
            depths.append(most_moved(other, policy, market))
    return max(depths)


def moved_in_token1(market: PoolMarket, amounts: tuple[RawAmount, RawAmount], spot_x96: SqrtPriceX96) -> int:
    """Value what a mint offers or a swap sells in token1, at spot or a mean, whichever gives more. Rounds: down."""
    highest_x96 = max(spot_x96, market.reference_x96, market.signers_x96)
    return value_in_token1(amounts[0], highest_x96) + amounts[1]


def depth_window(pool: WorkingPool, policy: Policy, market: PoolMarket) -> Window:
    """Compute the prices between which a swap must end to sell no more than the pool's depth allows. Rounds: towards spot."""
    most = most_moved(pool, policy, market)
    spot_x96 = pool.sqrt_price_x96
    most0 = value_in_token0(most, max(spot_x96, market.reference_x96, market.signers_x96))
    ends = [spot_x96, spot_x96]
    if most0 > 0:
        ends[0] = quote(pool, RawAmount(most0), zero_for_one=True).sqrt_price_x96
    if most > 0:
        ends[1] = quote(pool, most, zero_for_one=False).sqrt_price_x96
    return ends[0], ends[1]


def is_worth_a_mint(moves: int, most: RawAmount) -> bool:
    """Return whether the part that fits is enough of the whole to be minted alone."""
    return most * 100 >= moves * _LEAST_PART_PERCENT


def part_of_mint(
    shard: Shard, policy: Policy, live: LivePool, market: PoolMarket, amounts: tuple[RawAmount, RawAmount]
) -> tuple[RawAmount, RawAmount] | None:
    """Scale a mint's amounts down to what the depth allows; None where that is too little. Rounds: down."""
    moved = moved_in_token1(market, amounts, live.sqrt_price_x96)
    most = most_minted(shard, live, policy, market)
    if most >= moved:
        return amounts
    if not is_worth_a_mint(moved, most):
        return None
    return RawAmount(amounts[0] * most // moved), RawAmount(amounts[1] * most // moved)
