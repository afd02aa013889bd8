"""The value curve of a book: the sum of its ranges, its wallet, its collateral less debt, and its hedge."""

import math
from collections.abc import Sequence

from pipeline.curves.curve import Curve, Point
from pipeline.curves.ranges import Pair
from pipeline.errors import CurveError

_FLOAT_ERROR = 2.0**-48
"""A dozen operations, each rounded to 53 bits."""


class BookCurve:
    """The holdings and the value of a book at any price of its base. `base` and `quote` are those outside the ranges, and may be negative.

    Raises: CurveError if they are not finite.
    """

    def __init__(self, ranges: Sequence[Curve], base: float, quote: float) -> None:
        if not (math.isfinite(base) and math.isfinite(quote)):
            raise CurveError(f"a book does not hold {base} of base and {quote} of quote")
        self.ranges, self.base, self.quote = tuple(ranges), base, quote

    def at(self, price: float) -> Point:
        """Compute the book's holdings, value and derivatives at a price. Raises: CurveError as `Curve.at`."""
        points = [each.at(price) for each in self.ranges]
        outside = Point(price, self.base, self.quote, price * self.base + self.quote, self.base, 0.0, 0.0)
        return Point(
            price, *(math.fsum(parts) for parts in zip(*(p[1:] for p in (outside, *points)), strict=True))
        )

    def along(self, prices: Sequence[float]) -> list[Point]:
        """Compute the book's holdings, value and derivatives at each price."""
        return [self.at(price) for price in prices]

    def edges(self) -> list[float]:
        """List the prices at which the book's gamma jumps: the ends of its ranges."""
        ends = {end for each in self.ranges for end in (each.low, each.high)}
        return sorted(end for end in ends if 0 < end < math.inf)

    def off_by(self, price: float, pair: Pair) -> float:
        """Bound the error of the value against an exact revaluation in integers. Units: whole quote.

        Integers round each of a range's amounts down once, and the value of the base once; floats round everything a little.
        """
        base_unit, quote_unit = 10.0**-pair.base_decimals, 10.0**-pair.quote_decimals
        rounded = len(self.ranges) * (price * base_unit + quote_unit) + quote_unit
        terms = [
            abs(self.base) * price,
            abs(self.quote),
            *(_largest_term(each, price) for each in self.ranges),
        ]
        return rounded + _FLOAT_ERROR * math.fsum(terms)


def _largest_term(curve: Curve, price: float) -> float:
    """Return the largest term in a range's value, 2 L sqrt(P), from its LVR per variance, L sqrt(P)/4."""
    return 8 * curve.at(min(max(price, curve.low), curve.high)).lvr_per_variance


def grid(low: float, high: float, count: int, nodes: Sequence[float] = ()) -> list[float]:
    """List prices that are evenly spaced in their logarithm, with further nodes among them: the edges and the present price.

    Raises: CurveError if they are not in order, or fewer than two.
    """
    if not (0 < low < high < math.inf and count >= 2):
        raise CurveError(f"there is no grid of {count} prices from {low} to {high}")
    step = math.log(high / low) / (count - 1)
    even = [low, *(low * math.exp(step * n) for n in range(1, count - 1)), high]
    return sorted({*even, *(node for node in nodes if low <= node <= high)})
