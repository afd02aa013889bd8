"""Compute a reserve's borrow rate from its utilisation.

Units:  rates and shares in rays; a rate is of a year.
Source: DefaultReserveInterestRateStrategy of @aave/core-v3 1.19.3, DefaultReserveInterestRateStrategyV2 of @aave-dao/aave-v3-origin 3.6.0
"""

from pipeline.venues.aave_v3.forms import BorrowRates
from pipeline.venues.aave_v3.rays import RAY, ray_div, ray_mul


def borrow_rate_ray(rates: BorrowRates, lent: int, free: int) -> int:
    """Compute the rate from what is lent and what is still available. Rounds: each step half up, as both versions do."""
    if not lent:
        return rates.unused_ray
    share = ray_div(lent, free + lent)
    if share <= rates.kink_ray:
        return rates.unused_ray + ray_div(ray_mul(rates.to_kink_ray, share), rates.kink_ray)
    behind = ray_div(share - rates.kink_ray, RAY - rates.kink_ray)
    return rates.unused_ray + rates.to_kink_ray + ray_mul(rates.behind_kink_ray, behind)
