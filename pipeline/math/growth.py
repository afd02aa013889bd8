"""Compute fees from growth per unit of liquidity: counters that wrap at 2**256, of which only differences matter."""

from pipeline.math.fixed_point import MAX_UINT128, MAX_UINT256
from pipeline.units import GrowthX128, Liquidity, RawAmount, Tick


def grown(growth_x128: GrowthX128, fee: RawAmount, liquidity: Liquidity) -> GrowthX128:
    """Add a fee to the growth per unit of liquidity in range; without liquidity nothing is added. Rounds: down."""
    if not liquidity or not fee:
        return growth_x128
    # of every swap: to call the unit takes as long as the rest
    return (growth_x128 + (fee << 128) // liquidity) & MAX_UINT256  # type: ignore[return-value]


def growth_beyond(global_x128: GrowthX128, outside_x128: GrowthX128) -> GrowthX128:
    """Return the growth on the other side of a tick, which is its new `outside` after a crossing."""
    return GrowthX128((global_x128 - outside_x128) & MAX_UINT256)


def growth_inside(
    global_x128: GrowthX128,
    lower_outside_x128: GrowthX128,
    upper_outside_x128: GrowthX128,
    *,
    tick: Tick,
    tick_lower: Tick,
    tick_upper: Tick,
) -> GrowthX128:
    """Return the growth between two ticks. Source: v3-core Tick.getFeeGrowthInside."""
    below = lower_outside_x128 if tick >= tick_lower else global_x128 - lower_outside_x128
    above = upper_outside_x128 if tick < tick_upper else global_x128 - upper_outside_x128
    return GrowthX128((global_x128 - below - above) & MAX_UINT256)


def fees_since(now_x128: GrowthX128, last_x128: GrowthX128, liquidity: Liquidity) -> RawAmount:
    """Return the fees that `liquidity` has earned since the growth inside was `last_x128`.

    Rounds: down, to the low 128 bits as the contract keeps them.
    """
    return RawAmount((((now_x128 - last_x128) & MAX_UINT256) * liquidity >> 128) & MAX_UINT128)
