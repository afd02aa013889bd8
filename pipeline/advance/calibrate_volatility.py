"""Estimate hourly the volatility of a hedged book's base from the past prices that its shard keeps.

An entry and not a memory: what a ratio is chosen by goes back with a reorg, and is the same after a restart.
"""

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.book.price_rings import past_prices
from pipeline.errors import StatisticsError
from pipeline.messages.entries import CalibratedVolatility
from pipeline.messages.prices import PriceRing
from pipeline.statistics.volatility import calibrated
from pipeline.venues.registry import pool_terms

_HOUR_S = 3_600
_LONGEST_BLOCK_S = 12
"""Blocks that are shorter hide less: the estimate is then a little too high, never too low."""
_PIPS = 1_000_000


def calibrate(context: BookContext) -> None:
    """Estimate the volatility in each hour and after each change of policy; forget it where no ratio depends on it."""
    policy, tables, key = context.policy, context.shard.tables, keys.volatility(context.policy.book)
    known = tables.find(key, CalibratedVolatility)
    if not (policy.hedge and policy.hedge.auto):
        if known is not None:
            tables.put(key, None)
        return
    hour = context.block.timestamp_s // _HOUR_S
    if known is None or (known.hour, known.policy_version) != (hour, policy.policy_version):
        found = CalibratedVolatility(
            hour=hour, policy_version=policy.policy_version, sigma_ppm=_sigma_ppm(context)
        )
        tables.put(key, found)


def _sigma_ppm(context: BookContext) -> int | None:
    """Estimate the volatility; None where no prices are kept, or too few. Rounds: to the estimate's grid."""
    policy, tables = context.policy, context.shard.tables
    pool, history = pool_terms(tables, policy, policy.reference_pool), policy.price_history
    if pool is None or not history:
        return None
    ring = PriceRing(policy.reference_pool, history.every_s, history.slots)
    prices = past_prices(tables, ring, context.block.timestamp_s)
    if prices is None:
        return None
    try:
        return calibrated(prices, pool.fee_pips / _PIPS, _LONGEST_BLOCK_S).corrected_ppm or None
    except StatisticsError:
        return None
