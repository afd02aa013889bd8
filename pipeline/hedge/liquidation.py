"""Compute how near a debt is to liquidation: the price at which it comes, and its probability within a time.

Collateral and debt may each be in base and in quote. The health factor is what collateral counts for (its value times its threshold) over the
debt's value; both are linear in the price P of the base, so that it falls below 1 on one side of a single price.
"""

import bisect
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

from pipeline.errors import HedgeError
from pipeline.statistics.fee_band import OVERSHOOT

_below = NormalDist().cdf
_GRID = 10**10
"""What decides is a whole number of ten thousand millionths."""


class DebtPosition(NamedTuple):
    """A debt and its collateral. Units: whole base and quote; collateral is weighted by its liquidation threshold."""

    base_collateral: float
    quote_collateral: float
    base_debt: float
    quote_debt: float

    def health(self, price: float) -> float:
        """Divide the weighted collateral by the debt's value at a price; infinity without debt."""
        debt = self.base_debt * price + self.quote_debt
        return (self.base_collateral * price + self.quote_collateral) / debt if debt else math.inf

    def liquidation_price(self) -> float | None:
        """Return the price at which the health factor is 1; None where there is none.

        Above it the position is liquidated where it owes base, and below it where its collateral is base.
        """
        short = self.base_debt - self.base_collateral
        price = (self.quote_collateral - self.quote_debt) / short if short else math.nan
        return price if 0 < price < math.inf else None


class Horizon(NamedTuple):
    """A time horizon and the price's constant volatility over it, without drift.

    Units: volatility per square root of the unit of both times. `between_looks`: from one look at the price to the next, such as a block; 0 always.
    """

    volatility: float
    time: float
    between_looks: float = 0.0

    def passage(self, log_distance: float) -> float:
        """Return the probability that the price moves by a log distance, up or down: the law of first passage.

        Such a price's logarithm drifts down by half the variance. Who looks now and then only sees the mean overshoot of a random walk more
        (Broadie, Glasserman, Kou 1997).

        Raises: HedgeError where the volatility is not positive and finite, or a time is negative.
        """
        if not (0 < self.volatility < math.inf and 0 <= self.time < math.inf and self.between_looks >= 0):
            raise HedgeError(f"no law of first passage for {self}")
        if not self.time:
            return 0.0
        deviation = self.volatility * math.sqrt(self.time)
        apart = abs(log_distance) + OVERSHOOT * self.volatility * math.sqrt(self.between_looks)
        drift = math.copysign(deviation**2 / 2, -log_distance)  # towards a barrier below, away from one above
        reflected = math.exp(2 * drift * apart / deviation**2) * _below((-drift - apart) / deviation)
        return _below((drift - apart) / deviation) + reflected


def probability_of_liquidation(position: DebtPosition, price: float, horizon: Horizon) -> float:
    """Return the probability that the health factor falls below 1 within a time.

    Raises: HedgeError where the price is not positive and finite, or there is no law for the horizon.
    """
    if not 0 < price < math.inf:
        raise HedgeError(f"the price {price} is not positive and finite")
    if position.health(price) < 1:
        return 1.0
    at = position.liquidation_price()
    return 0.0 if at is None else horizon.passage(math.log(at / price))


def largest_ratio_bps(
    position_at: Callable[[int], DebtPosition], likely_bps: int, price: float, horizon: Horizon
) -> int:
    """Find the largest hedge ratio whose probability of liquidation within a time is allowed. Units: bps, of the base exposure and of 1.

    `position_at` tells the position at a ratio; the likelihood must not fall with it. Rounds: down to a whole bps. 0 where none is safe enough.
    """

    def on_a_grid(ratio_bps: int) -> int:
        return round(_GRID * probability_of_liquidation(position_at(ratio_bps), price, horizon))

    return max(bisect.bisect_right(range(10_001), likely_bps * _GRID // 10_000, key=on_a_grid) - 1, 0)
