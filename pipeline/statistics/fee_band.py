"""Estimate a market's variance from the variance of a pool's price, which its fee dampens.

Arbitrage moves a pool only once the market has left the band of its fee: the pool's log price is the market's, held back by a play
of radius f. The distance between them is a Brownian motion reflected at -f and f. Its expansion in cosines gives, over a time h,

    shown/true = 1 - (1/u) * sum over odd n of 16/(n pi)**4 * (1 - exp(-n**2 pi**2 u/2)),    u = sigma**2 h/(2 f)**2

which is 4/3 sqrt(2 u/pi) for a small u and 1 - 1/(6 u) for a large one. Arbitrage at the ends of blocks alone acts as a wider band: f grows
by 0.5826 standard deviations per block, the mean overshoot of a random walk.
"""

import math

OVERSHOOT = 0.5825971579390107
"""-zeta(1/2)/sqrt(2 pi)."""
_TERMS = range(1, 200, 2)
_SMALL = 0.03
"""Below it the series needs more terms, and its limit for a small u is exact to 7 digits."""
_MOST_ITERATIONS = 80


def shown_share(u: float) -> float:
    """Compute the share of a market's variance that a pool's price shows, at a time of `u` band widths squared."""
    if u < _SMALL:
        return 4 / 3 * math.sqrt(2 * u / math.pi)
    hidden = math.fsum(16 / (n * math.pi) ** 4 * -math.expm1(-((n * math.pi) ** 2) * u / 2) for n in _TERMS)
    return 1 - hidden / u


def band_widths(variance: float, stride_s: float, fee: float, block_s: float) -> float:
    """Measure a stride in the time that the market takes to cross the band: u. `variance` is per second."""
    radius = -math.log1p(-fee) + OVERSHOOT * math.sqrt(variance * block_s)
    return variance * stride_s / (2 * radius) ** 2


def true_variance(shown: float, stride_s: float, fee: float, block_s: float) -> float:
    """Correct the variance that a pool's price shows at a stride for the fee band. Units: per second.

    The share shown grows no faster than the root of the variance, so that dividing by it again and again converges.
    """
    variance, before = shown, 0.0
    for _ in range(_MOST_ITERATIONS):
        if variance == before:
            break
        before, variance = variance, shown / shown_share(band_widths(variance, stride_s, fee, block_s))
    return variance
