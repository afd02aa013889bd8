"""The no-trade band of a hedge: how far the net delta may stray before trading it back is worth its cost.

A position whose delta bends by gamma strays at random, and a stray D costs a sigma^2 P^2 D^2 / 2 per time in risk, where a is the absolute
risk aversion. Trading costs a fixed amount G, and a share lam of what is traded. The cheapest rule acts at H and trades back to h0, with

    h0 H (h0 + H) = 3 lam P gamma^2 / a        (H - h0)^3 (H + h0) = 12 G gamma^2 / a

The volatility is in neither: it moves the delta out of the band as fast as it makes the stray cost. Without a fixed cost the band is that of
Whalley and Wilmott, and h0 = H; without a proportional one it is a fourth root, and h0 = 0.
"""

import math
from typing import NamedTuple

from pipeline.errors import HedgeError

_HALVINGS = 80
"""The number of halvings until an interval of length 1 is shorter than the spacing of floats."""


class NoTradeBand(NamedTuple):
    """The edges of a band: where to act, and how far to trade back. Units: whole base, of the net delta on either side of its target."""

    back_to: float
    act_at: float


def no_trade_band(
    price: float, gamma: float, risk_aversion: float, fixed_cost: float, proportional_cost: float
) -> NoTradeBand:
    """Compute the band of least cost for a delta with a given gamma.

    Units: price in quote per base; gamma in base per unit of price, of either sign; risk aversion per quote (relative risk aversion divided by
    the book's value); fixed cost in quote per trade; proportional cost as a share of what is traded.

    Raises: HedgeError where one is not finite, price or risk aversion is not positive, a cost is negative, or both costs are zero.
    """
    numbers = (price, gamma, risk_aversion, fixed_cost, proportional_cost)
    if not all(map(math.isfinite, numbers)) or min(price, risk_aversion) <= 0 or min(numbers[3:]) < 0:
        raise HedgeError(f"no band follows from price, gamma, risk aversion and costs of {numbers}")
    proportional = 3 * proportional_cost * price * gamma**2 / risk_aversion
    fixed = 12 * fixed_cost * gamma**2 / risk_aversion
    if not proportional:
        return NoTradeBand(0.0, fixed**0.25)
    if not fixed:
        edge = (proportional / 2) ** (1 / 3)
        return NoTradeBand(edge, edge)
    share = _share_traded_back_to(proportional, fixed)
    act_at = _act_at(proportional, share)
    return NoTradeBand(share * act_at, act_at)


def cost_rate(band: NoTradeBand, price: float, risk_aversion: float, volatility: float) -> float:
    """Return the cost rate of a hedge in the band of least cost, risk and trading together. Units: quote per time unit of the volatility."""
    inner, outer = band
    return risk_aversion * (volatility * price) ** 2 * (inner**2 + inner * outer + outer**2) / 6


def _act_at(proportional: float, share: float) -> float:
    return float((proportional / (share * (1 + share))) ** (1 / 3))


def _share_traded_back_to(proportional: float, fixed: float) -> float:
    """Solve both equations for h0 / H, between 0 and 1: the second one's left side falls with it. Rounds: to the spacing of floats."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _act_at(proportional, middle) ** 4 * (1 - middle) ** 3 * (1 + middle) > fixed:
            low = middle
        else:
            high = middle
    return high
