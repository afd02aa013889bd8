"""Compute the growth of an index over some seconds at a rate.

Units:  rates and factors in rays; a rate is of a year of 365 days.
Source: MathUtils of Aave V3
"""

from pipeline.units import Seconds
from pipeline.venues.aave_v3.rays import RAY, ray_mul

YEAR_S = 31_536_000


def linear(rate_ray: int, elapsed_s: Seconds) -> int:
    """Accrue without compounding, as the suppliers' index does. Rounds: down."""
    return RAY + rate_ray * elapsed_s // YEAR_S


def compounded_by_second(rate_ray: int, elapsed_s: Seconds) -> int:
    """Compound every second by three terms of the binomial series, as 3.0 does.

    1 + r n / Y + n (n-1)/2 (r / Y)^2 + n (n-1)(n-2)/6 (r / Y)^3

    Rounds: each power to the nearest and then down, each term down.
    """
    if elapsed_s == 0:
        return RAY
    squared = ray_mul(rate_ray, rate_ray) // (YEAR_S * YEAR_S)
    cubed = ray_mul(squared, rate_ray) // YEAR_S
    pairs = elapsed_s * (elapsed_s - 1)
    triples = pairs * (elapsed_s - 2)
    return RAY + rate_ray * elapsed_s // YEAR_S + pairs * squared // 2 + triples * cubed // 6


def compounded_continuously(rate_ray: int, elapsed_s: Seconds) -> int:
    """Compound by three terms of the exponential series, as 3.6 does.

    1 + x + x^2/2 + x^3/6, where x = r n / Y

    Rounds: x down, its products to the nearest.
    """
    x = rate_ray * elapsed_s // YEAR_S
    return RAY + x + ray_mul(x, x // 2 + ray_mul(x, x // 6))
