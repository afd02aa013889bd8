"""Compute a pool as it is without some of its liquidity, for a swap that follows our own burn."""

import dataclasses
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from pipeline.errors import ImpossibleFactError
from pipeline.units import Liquidity, Tick
from pipeline.venues.uniswap_v3.working_pool import WorkingPool

PoolT = TypeVar("PoolT", bound=WorkingPool)


def withdrawn(pool: PoolT, parts: Iterable[tuple[Tick, Tick, Liquidity]]) -> PoolT:
    """Copy a pool without some liquidity (lower tick, upper tick, liquidity), for quotes: its fees stay the same.

    Raises: ImpossibleFactError where there is less.
    """
    ticks, liquidity = dict(pool.ticks), int(pool.liquidity)
    for lower, upper, burned in parts:
        for tick, net in ((lower, burned), (upper, -burned)):
            info = ticks.pop(tick, None)
            if info is None or info.liquidity_gross < burned:
                raise ImpossibleFactError(f"pool {pool.address}: tick {tick} has less than {burned}")
            if info.liquidity_gross > burned:
                ticks[tick] = msgspec.structs.replace(
                    info,
                    liquidity_gross=Liquidity(info.liquidity_gross - burned),
                    liquidity_net=Liquidity(info.liquidity_net - net),
                )
        if lower <= pool.tick < upper:
            liquidity -= burned
    left = dataclasses.replace(pool, ticks=ticks, initialized=sorted(ticks), liquidity=Liquidity(liquidity))
    if left.sqrt_price_x96:
        left.find_stops()
    return left
