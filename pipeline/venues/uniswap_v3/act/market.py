"""Compute the prices and the depth that a phase is planned with, and the price bounds of its swap and its mint.

Both bounds are kept: the policy's, about its mean, and that of the signer, about the mean over the signer's own window.
"""

from msgspec.structs import replace

from pipeline.act.foresight import Market
from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import OutOfRangeError
from pipeline.math.slippage import minimum_out, price_window_x96
from pipeline.math.ticks import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    MIN_TICK,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Bps, Liquidity, Pips, RawAmount, Seconds, SqrtPriceX96, Tick, Wei
from pipeline.venues.uniswap_v3 import mean_liquidity, mean_tick
from pipeline.venues.uniswap_v3.pools import live_pool, need_pool

Window = tuple[SqrtPriceX96, SqrtPriceX96]
"""Lowest and highest price; where the lowest is above the highest there is none."""

_PIPS_OF_BP = 100
_DRIFT_PARTS = 10
"""The signer asks some blocks later. Meanwhile its mean follows spot, by a tenth of the way at most within a tenth of its window."""
_ROUNDING_TICKS = 2
_TOLERANCE_PERCENT = 67
"""So much of the signer's swap_tolerance is planned with."""
_SHUT = MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96


class PoolMarket(Market, frozen=True, kw_only=True):
    """The mean prices of the reference pool, and its depth."""

    reference_x96: SqrtPriceX96
    """The pool's own time-weighted mean price, never spot."""
    signers_x96: SqrtPriceX96
    """The mean price over the signer's window."""
    spot_from_twap_ticks: int
    """The distance of spot from the farther of the two means."""
    slippage_bps: Bps
    """How far from the reference a swap or a mint may be: the policy's limit, and more where waiting has cost as much."""
    mean_liquidity: Liquidity
    """The mean liquidity in range over the signer's window, which liquidity added for one block hardly raises."""

    @property
    def drift_ticks(self) -> int:
        """How far the signer's mean price may move until the signer checks the intent."""
        return self.spot_from_twap_ticks // _DRIFT_PARTS + _ROUNDING_TICKS


def read_market(shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei) -> PoolMarket:
    """Read the mean prices from the followed observations.

    Raises: OutOfRangeError where they do not reach back over the policy's window, or the signer's.
    """
    live, limits = need_pool(shard, policy.reference_pool), policy.limits
    ticks = [mean_tick(live, now_s, each) for each in (limits.twap_window_s, limits.signer.twap_window_s)]
    return PoolMarket(
        now_s=now_s,
        base_fee_wei=base_fee_wei,
        base_price=base_price(policy, sqrt_price_at_tick(ticks[0])),
        reference_x96=sqrt_price_at_tick(ticks[0]),
        signers_x96=sqrt_price_at_tick(ticks[1]),
        spot_from_twap_ticks=max(abs(live.tick - tick) for tick in ticks),
        slippage_bps=limits.slippage_bps(live.pool().fee_pips),
        mean_liquidity=mean_liquidity(live, now_s, limits.signer.twap_window_s),
    )


def market_at_spot(shard: Shard, policy: Policy, now_s: Seconds, base_fee_wei: Wei) -> PoolMarket:
    """Describe the market without a mean price, for actions that no price matters to."""
    live = need_pool(shard, policy.reference_pool)
    return PoolMarket(
        now_s=now_s,
        base_fee_wei=base_fee_wei,
        base_price=base_price(policy, live.sqrt_price_x96),
        reference_x96=live.sqrt_price_x96,
        signers_x96=live.sqrt_price_x96,
        spot_from_twap_ticks=0,
        slippage_bps=policy.limits.slippage_bps(live.pool().fee_pips),
        mean_liquidity=live.liquidity,
    )


def mean_price(shard: Shard, policy: Policy, now_s: Seconds) -> Price | None:
    """Return the mean price of base up to a block, without the block itself; spot where there is none.

    None where the pool is not followed, or was never given a price.
    """
    live = live_pool(shard, policy.reference_pool)
    if live is None or not live.sqrt_price_x96:
        return None
    try:
        tick = mean_tick(live, now_s, policy.limits.twap_window_s)
    except OutOfRangeError:
        return base_price(policy, live.sqrt_price_x96)
    return base_price(policy, sqrt_price_at_tick(tick))


def base_price(policy: Policy, sqrt_price_x96: SqrtPriceX96) -> Price:
    """Convert a square-root price into base in quote: sqrt^2 / 2^192 or its inverse. A pool orders its tokens by address."""
    squared = sqrt_price_x96 * sqrt_price_x96
    if policy.base < policy.quote:
        return Price(numerator=squared, denominator=1 << 192)
    return Price(numerator=1 << 192, denominator=squared)


def deadline_of(policy: Policy, market: Market) -> Seconds:
    """Return the deadline of what is drafted now."""
    return Seconds(market.now_s + policy.limits.deadline_s)


def widened(shard: Shard, policy: Policy, market: PoolMarket, cost_bps: int) -> PoolMarket:
    """Allow a swap or a mint to be further from the reference by a cost, at most as far as spot may be. A tick counts as one bps."""
    fee_pips = need_pool(shard, policy.reference_pool).pool().fee_pips
    most_bps = max(market.slippage_bps, min(policy.limits.spot_log_bps(fee_pips), WHOLE_BPS - 1))
    return replace(market, slippage_bps=Bps(min(market.slippage_bps + cost_bps, most_bps)))


# ------------------------------------------------------------------ between which prices
def swap_window(policy: Policy, market: PoolMarket, fee_pips: Pips) -> Window:
    """Compute the prices between which a swap must end: by the policy's slippage, and by the loss that the signer allows, fee included."""
    theirs_bps = _signers_slippage_bps(policy, market, fee_pips)
    if theirs_bps is None:
        return _SHUT
    ours = price_window_x96(market.reference_x96, market.slippage_bps)
    return narrower(ours, price_window_x96(market.signers_x96, theirs_bps))


def mint_window(policy: Policy, market: PoolMarket) -> Window:
    """Compute the prices between which a mint's minimums must be met: by the policy's slippage, and near the signer's mean."""
    most = max(policy.limits.signer.max_loss_bps - market.drift_ticks, 0)  # a tick is a basis point
    mean = tick_at_sqrt_price(market.signers_x96)
    ends = Tick(max(mean - most, MIN_TICK)), Tick(min(mean + most, MAX_TICK))
    ours = price_window_x96(market.reference_x96, market.slippage_bps)
    return narrower(ours, (sqrt_price_at_tick(ends[0]), sqrt_price_at_tick(ends[1])))


def narrower(one: Window, other: Window) -> Window:
    """Return the intersection of both price windows."""
    return max(one[0], other[0]), min(one[1], other[1])


def least_swapped(
    policy: Policy, market: PoolMarket, fee_pips: Pips, amount_in: RawAmount, *, zero_for_one: bool
) -> RawAmount:
    """Return the least that a swap must bring by both mean prices, as in `swap_window`. Rounds: up."""
    theirs_bps = _signers_slippage_bps(policy, market, fee_pips)
    bounds = (market.reference_x96, market.slippage_bps), (market.signers_x96, theirs_bps or Bps(0))
    return max(
        minimum_out(amount_in, mean_x96, fee_pips, most_bps, zero_for_one=zero_for_one)
        for mean_x96, most_bps in bounds
    )


def swap_tolerance_bps(policy: Policy) -> Bps:
    """Return how far below its quote a swap's minimum is: by the policy's tolerance, and well within the signer's.

    The price goes on until the signer asks. Where it moves in our favour, the minimum falls short of what the swap brings then.
    Rounds: down.
    """
    theirs_bps = max(policy.limits.signer.swap_tolerance_bps * _TOLERANCE_PERCENT // 100, 1)
    return Bps(min(policy.limits.swap_tolerance_bps, theirs_bps))


def _signers_slippage_bps(policy: Policy, market: PoolMarket, fee_pips: Pips) -> Bps | None:
    """Return what the signer's limit on losses leaves for slippage after the fee; None: nothing. Rounds: down."""
    fee_bps = -(-fee_pips // _PIPS_OF_BP)
    left = policy.limits.signer.max_loss_bps - fee_bps - market.drift_ticks
    return Bps(left) if left >= 0 else None
