"""Apply Mint, Burn and Collect: liquidity enters and leaves ranges, and its fees are paid out."""

import msgspec

from pipeline.math.amounts import range_amounts
from pipeline.math.fixed_point import MAX_UINT128
from pipeline.math.growth import fees_since
from pipeline.math.ticks import MAX_TICK, MIN_TICK, max_liquidity_per_tick
from pipeline.units import GrowthX128, Liquidity, RawAmount, Tick
from pipeline.venues.uniswap_v3.forms.entries import PoolPosition, TickInfo
from pipeline.venues.uniswap_v3.forms.facts import Burned, Collected, Minted
from pipeline.venues.uniswap_v3.working_pool import WorkingPool, drifted, impossible


def replay_mint(pool: WorkingPool, mint: Minted, timestamp_s: int) -> None:
    """Add liquidity. Raises: PoolDriftedError by its amounts, ImpossibleFactError."""
    if not mint.liquidity:
        raise impossible(mint, "no liquidity came in")
    _move(pool, mint, mint.liquidity, timestamp_s)


def replay_burn(pool: WorkingPool, burn: Burned, timestamp_s: int) -> None:
    """Remove liquidity, or without any only update the range's fees.

    Raises: PoolDriftedError by its amounts, ImpossibleFactError.
    """
    _move(pool, burn, -burn.liquidity, timestamp_s)
    key = (burn.owner, burn.tick_lower, burn.tick_upper)
    if key in pool.positions:
        held = pool.positions[key]
        pool.positions[key] = msgspec.structs.replace(
            held,
            owed0=RawAmount((held.owed0 + burn.amount0) & MAX_UINT128),
            owed1=RawAmount((held.owed1 + burn.amount1) & MAX_UINT128),
        )


def replay_collect(pool: WorkingPool, collect: Collected) -> None:
    """Pay a range what it was owed. Raises: PoolDriftedError if that is more than was owed."""
    key = (collect.owner, collect.tick_lower, collect.tick_upper)
    held = pool.positions.get(key)
    if held is None:
        return
    if collect.amount0 > held.owed0:
        raise drifted(collect, "amount0", collect.amount0, f"at most {held.owed0}")
    if collect.amount1 > held.owed1:
        raise drifted(collect, "amount1", collect.amount1, f"at most {held.owed1}")
    pool.positions[key] = msgspec.structs.replace(
        held,
        owed0=RawAmount(held.owed0 - collect.amount0),
        owed1=RawAmount(held.owed1 - collect.amount1),
    )
    pool.touched_positions.add(key)


def _move(pool: WorkingPool, fact: Minted | Burned, delta: int, timestamp_s: int) -> None:
    """Change a range's liquidity by `delta`, in the pool's own order of steps."""
    _check_range(pool, fact)
    _check_amounts(pool, fact, delta)
    lower, upper = fact.tick_lower, fact.tick_upper
    if delta:
        _move_tick(pool, fact, lower, delta, delta)
        _move_tick(pool, fact, upper, delta, -delta)
    if (fact.owner, lower, upper) in pool.positions:
        _move_position(pool, fact, delta)
    if not delta:
        return
    for tick in (lower, upper):
        if not pool.ticks[tick].liquidity_gross:
            pool.drop_tick(tick)
    if lower <= pool.tick < upper:
        pool.write_observation(timestamp_s, pool.tick, pool.liquidity)
        pool.change_liquidity(delta)
    pool.find_stops()


def _check_range(pool: WorkingPool, fact: Minted | Burned) -> None:
    lower, upper = fact.tick_lower, fact.tick_upper
    if not pool.sqrt_price_x96:
        raise impossible(fact, "the pool has no price yet")
    if not MIN_TICK <= lower < upper <= MAX_TICK:
        raise impossible(fact, f"ticks {lower} and {upper} are not a range")
    if fact.liquidity and (lower % pool.tick_spacing or upper % pool.tick_spacing):
        raise impossible(fact, f"ticks {lower} and {upper} are not multiples of {pool.tick_spacing}")


def _check_amounts(pool: WorkingPool, fact: Minted | Burned, delta: int) -> None:
    amount0, amount1 = range_amounts(
        pool.sqrt_price_x96, fact.tick_lower, fact.tick_upper, fact.liquidity, round_up=delta > 0
    )
    if amount0 != fact.amount0:
        raise drifted(fact, "amount0", fact.amount0, amount0)
    if amount1 != fact.amount1:
        raise drifted(fact, "amount1", fact.amount1, amount1)


def _move_tick(
    pool: WorkingPool, fact: Minted | Burned, tick: Tick, gross_delta: int, net_delta: int
) -> None:
    """Change the liquidity that references a tick. A new tick takes all growth so far to have been below it."""
    info = pool.ticks.get(tick)
    if info is None:
        below = tick <= pool.tick
        info = TickInfo(
            liquidity_gross=Liquidity(0),
            liquidity_net=Liquidity(0),
            outside0_x128=pool.growth0_x128 if below else GrowthX128(0),
            outside1_x128=pool.growth1_x128 if below else GrowthX128(0),
        )
    gross = info.liquidity_gross + gross_delta
    if not 0 <= gross <= max_liquidity_per_tick(pool.tick_spacing):
        raise impossible(fact, f"liquidity at tick {tick} would become {gross}")
    pool.put_tick(
        tick,
        msgspec.structs.replace(
            info, liquidity_gross=Liquidity(gross), liquidity_net=Liquidity(info.liquidity_net + net_delta)
        ),
    )


def _move_position(pool: WorkingPool, fact: Minted | Burned, delta: int) -> None:
    """Update what a followed range has earned so far, then change its liquidity."""
    key = (fact.owner, fact.tick_lower, fact.tick_upper)
    held = pool.positions[key]
    liquidity = held.liquidity + delta
    if not 0 <= liquidity <= MAX_UINT128 or not (delta or held.liquidity):
        raise impossible(fact, f"the range has {held.liquidity}, which cannot change by {delta}")
    inside0_x128, inside1_x128 = pool.inside_growth(fact.tick_lower, fact.tick_upper)
    earned0 = fees_since(inside0_x128, held.inside0_last_x128, held.liquidity)
    earned1 = fees_since(inside1_x128, held.inside1_last_x128, held.liquidity)
    pool.positions[key] = PoolPosition(
        liquidity=Liquidity(liquidity),
        inside0_last_x128=inside0_x128,
        inside1_last_x128=inside1_x128,
        owed0=RawAmount((held.owed0 + earned0) & MAX_UINT128),
        owed1=RawAmount((held.owed1 + earned1) & MAX_UINT128),
    )
    pool.touched_positions.add(key)
