"""Compute a pool's depth near its price: the trade that moves it by 1 %."""

from collections.abc import Iterable, Mapping

import msgspec

from pipeline.math.amounts import amount0_delta, amount1_delta
from pipeline.math.slippage import price_window_x96
from pipeline.math.ticks import sqrt_price_at_tick, tick_at_sqrt_price
from pipeline.math.value import value_in_token1
from pipeline.units import Bps, Liquidity, RawAmount, SqrtPriceX96, Tick

_NEAR_BPS = Bps(100)


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidity that is about to leave a pool."""

    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's price and its liquidity around it, at one block."""

    sqrt_price_x96: SqrtPriceX96
    tick: Tick
    liquidity: Liquidity
    nets: Mapping[Tick, int]
    """What comes in as the price rises over each tick within 1 %."""
    mean_liquidity: Liquidity | None
    """Of the past, where the pool has one."""


def ticks_near(sqrt_price_x96: SqrtPriceX96, tick_spacing: int) -> tuple[Tick, ...]:
    """List the ticks within 1 % of a price that may be initialised in a pool."""
    low_x96, high_x96 = price_window_x96(sqrt_price_x96, _NEAR_BPS)
    first = -(-tick_at_sqrt_price(low_x96) // tick_spacing)
    last = tick_at_sqrt_price(high_x96) // tick_spacing
    return tuple(Tick(number * tick_spacing) for number in range(first, last + 1))


def depth_in_token1(near: Near, leaving: Iterable[Range] = ()) -> RawAmount:
    """Compute the lesser of what the pool holds from its price to 1 % below and to 1 % above it.

    Liquidity that is about to leave does not count, nor what exceeds the mean of the past.

    Units:  raw token1; the token0 above the price at the price.
    Rounds: down.
    """
    near = _without(near, leaving)
    low_x96, high_x96 = price_window_x96(near.sqrt_price_x96, _NEAR_BPS)
    below = _token1_below(near, low_x96)
    above = value_in_token1(_token0_above(near, high_x96), near.sqrt_price_x96)
    depth = min(below, above)
    if near.mean_liquidity is not None and near.mean_liquidity < near.liquidity:
        depth = RawAmount(depth * near.mean_liquidity // near.liquidity)
    return depth


def _without(near: Near, leaving: Iterable[Range]) -> Near:
    liquidity, nets = int(near.liquidity), dict(near.nets)
    for each in leaving:
        if each.tick_lower <= near.tick < each.tick_upper:
            liquidity -= each.liquidity
        nets[each.tick_lower] = nets.get(each.tick_lower, 0) - each.liquidity
        nets[each.tick_upper] = nets.get(each.tick_upper, 0) + each.liquidity
    return msgspec.structs.replace(near, liquidity=Liquidity(max(liquidity, 0)), nets=nets)


def _token1_below(near: Near, low_x96: SqrtPriceX96) -> RawAmount:
    at_x96, liquidity, held = near.sqrt_price_x96, int(near.liquidity), 0
    for tick in sorted((tick for tick in near.nets if tick <= near.tick), reverse=True):
        stop_x96 = sqrt_price_at_tick(tick)
        if stop_x96 <= low_x96:
            break
        held += amount1_delta(stop_x96, at_x96, Liquidity(max(liquidity, 0)), round_up=False)
        at_x96, liquidity = stop_x96, liquidity - near.nets[tick]
    return RawAmount(held + amount1_delta(low_x96, at_x96, Liquidity(max(liquidity, 0)), round_up=False))


def _token0_above(near: Near, high_x96: SqrtPriceX96) -> RawAmount:
    at_x96, liquidity, held = near.sqrt_price_x96, int(near.liquidity), 0
    for tick in sorted(tick for tick in near.nets if tick > near.tick):
        stop_x96 = sqrt_price_at_tick(tick)
        if stop_x96 >= high_x96:
            break
        held += amount0_delta(at_x96, stop_x96, Liquidity(max(liquidity, 0)), round_up=False)
        at_x96, liquidity = stop_x96, liquidity + near.nets[tick]
    return RawAmount(held + amount0_delta(at_x96, high_x96, Liquidity(max(liquidity, 0)), round_up=False))
