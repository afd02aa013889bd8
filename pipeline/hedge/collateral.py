"""Compute how much collateral a debt needs, and how to reduce a debt: values in quote, all at one price.

A debt of value D against collateral of value C with the liquidation threshold LT has the health factor H = C LT / D.
"""

import math
from typing import NamedTuple

from pipeline.errors import HedgeError

_SMALLEST_STEP = 1e-6
"""Of the whole sale."""


def largest_debt(
    collateral: float, threshold: float, loan_to_value: float, floor: float, gap: float
) -> float:
    """Return the largest debt, at today's price, whose health stays at the floor after the debt's price has jumped by the gap.

    What a lender grants at once, the collateral's loan-to-value, bounds it too.
    """
    return min(collateral * threshold / (floor * (1 + gap)), collateral * loan_to_value)


def collateral_per_value(
    share: float, threshold: float, loan_to_value: float, floor: float, gap: float
) -> float:
    """Return the collateral that a hedge ties up per value of the hedged position, of which a share is borrowed and sold."""
    return share / largest_debt(1.0, threshold, loan_to_value, floor, gap)


def earning_share(collateral: float) -> float:
    """Return the share of all capital that earns fees, where each unit of it needs this much collateral beside it."""
    return 1 / (1 + collateral)


def repay_from_outside(collateral: float, debt: float, threshold: float, health: float) -> float:
    """Return how much of a debt to repay from outside the collateral to reach a health factor; 0 where it is reached."""
    return max(debt - collateral * threshold / health, 0.0)


def sell_collateral(
    collateral: float, debt: float, threshold: float, health: float, swap_cost: float
) -> float:
    """Return how much collateral to sell for repayment to reach a health factor; 0 where it is reached.

    `swap_cost` is a share of what is sold. Raises: HedgeError where all of it would not do.
    """
    if health * debt <= collateral * threshold:
        return 0.0
    gained = health * (1 - swap_cost) - threshold
    sold = (health * debt - collateral * threshold) / gained if gained > 0 else math.inf
    if sold >= collateral:
        raise HedgeError(
            f"no sale of {collateral} of collateral leads a debt of {debt} to a health factor of {health}"
        )
    return sold


class Deleverage(NamedTuple):
    """A sale of collateral that is larger than what may be withdrawn at once. Units: quote, and shares of 1."""

    collateral: float
    debt: float
    threshold: float
    floor: float
    """The least health factor after a withdrawal, before its proceeds have repaid debt."""
    swap_cost: float

    def loops(self, total: float) -> list[float]:
        """Split the sale into withdrawals, each as large as the floor allows.

        Raises: HedgeError where not enough can be withdrawn to get any further.
        """
        collateral, debt, left = self.collateral, self.debt, total
        loops: list[float] = []
        while left > _SMALLEST_STEP * total:
            step = min(left, collateral - self.floor * debt / self.threshold)
            if step <= _SMALLEST_STEP * total:
                raise HedgeError(
                    f"no more collateral can be withdrawn while {left} of {total} is left to sell"
                )
            loops.append(step)
            left, collateral, debt = left - step, collateral - step, debt - step * (1 - self.swap_cost)
        return loops
