"""Pools for tests, created and filled by the facts that a chain would give."""

from typing import Any

from pipeline.math.amounts import range_amounts
from pipeline.math.ticks import tick_at_sqrt_price
from pipeline.units import (
    Address,
    GrowthX128,
    Liquidity,
    LogIndex,
    Pips,
    RawAmount,
    SqrtPriceX96,
    Tick,
)
from pipeline.venues.uniswap_v3 import LivePool, Quote
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.forms.facts import Initialized, Minted, Swapped

POOL = Address("0x" + "11" * 20)
OWNER = Address("0x" + "22" * 20)
START_S = 1_700_000_000


def unpriced(fee_pips: int = 3000, tick_spacing: int = 60, **fields: Any) -> Pool:
    """Make a pool that was created and not initialised."""
    return Pool(
        **{
            "token0": Address("0x" + "00" * 20),
            "token1": Address("0x" + "01" * 20),
            "decimals0": 18,
            "decimals1": 18,
            "fee_pips": Pips(fee_pips),
            "tick_spacing": tick_spacing,
            "sqrt_price_x96": SqrtPriceX96(0),
            "tick": Tick(0),
            "liquidity": Liquidity(0),
            "growth0_x128": GrowthX128(0),
            "growth1_x128": GrowthX128(0),
            "protocol_fees0": RawAmount(0),
            "protocol_fees1": RawAmount(0),
            "fee_protocol0": 0,
            "fee_protocol1": 0,
            "observation_index": 0,
            "observation_cardinality": 0,
            "observation_cardinality_next": 0,
            **fields,
        }
    )


def begun(
    sqrt_price_x96: int, *, fee_pips: int = 3000, tick_spacing: int = 60, at_s: int = START_S, **fields: Any
) -> LivePool:
    """Make a pool with a price and no liquidity."""
    live = LivePool.of(POOL, unpriced(fee_pips, tick_spacing, **fields), {}, {}, {})
    price_x96 = SqrtPriceX96(sqrt_price_x96)
    live.apply(
        Initialized(
            address=POOL,
            log_index=LogIndex(0),
            sqrt_price_x96=price_x96,
            tick=tick_at_sqrt_price(price_x96),
        ),
        at_s,
    )
    return live


def minted(
    live: LivePool, lower: int, upper: int, liquidity: int, *, at_s: int = START_S, owner: Address = OWNER
) -> None:
    """Add liquidity, with the amounts that the curve requires."""
    amount0, amount1 = range_amounts(
        live.sqrt_price_x96, Tick(lower), Tick(upper), Liquidity(liquidity), round_up=True
    )
    live.apply(
        Minted(
            address=POOL,
            log_index=LogIndex(1),
            owner=owner,
            tick_lower=Tick(lower),
            tick_upper=Tick(upper),
            liquidity=Liquidity(liquidity),
            amount0=amount0,
            amount1=amount1,
        ),
        at_s,
    )


def swapped(quoted: Quote) -> Swapped:
    """Make the log of a swap that goes as quoted."""
    return Swapped(
        address=POOL,
        log_index=LogIndex(2),
        sender=OWNER,
        recipient=OWNER,
        amount0_delta=quoted.amount0_delta,
        amount1_delta=quoted.amount1_delta,
        sqrt_price_x96=quoted.sqrt_price_x96,
        liquidity=quoted.liquidity,
        tick=quoted.tick,
    )
