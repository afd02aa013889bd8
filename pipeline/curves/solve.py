"""Solve numerically for the holdings on a curve that has no closed form in the price."""

import math
from collections.abc import Callable

from pipeline.errors import CurveError

PRICE_TOLERANCE = 1e-12
"""The price at the holdings found differs from the one asked for by less than this share."""
_CLOSE = 1e-15
_MOST_STEPS = 200
_WIDEST = 256.0
"""In logarithms: holdings and their ratio are looked for within e**-256 to e**256."""

OnCurve = Callable[[float, float], tuple[float, ...]]
"""Left minus right of the equation, and the price, at holdings x and y."""


def holdings_at(price: float, on_curve: OnCurve) -> tuple[float, float]:
    """Find the base and the quote that a position holds at a price.

    On each ray y = x e**t the equation fixes the size, and the price grows with t: two roots, one inside the other.

    Raises: CurveError if no holdings have the price within the tolerance.
    """

    def on_ray(t: float) -> tuple[float, float]:
        def held(log_size: float) -> tuple[float, float]:
            return math.exp(log_size - t / 2), math.exp(log_size + t / 2)

        return held(root(lambda log_size: on_curve(*held(log_size))[0]))

    base, quote = on_ray(root(lambda t: math.log(on_curve(*on_ray(t))[1] / price)))
    if abs(on_curve(base, quote)[1] / price - 1) > PRICE_TOLERANCE:
        raise CurveError(f"no holdings have the price {price} within {PRICE_TOLERANCE}")
    return base, quote


def quote_beside(base: float, on_curve: OnCurve) -> float:
    """Find the quote that a position holds with an amount of base. Raises: CurveError if there is none."""
    return math.exp(root(lambda log_quote: on_curve(base, math.exp(log_quote))[0]))


def one_token_left(on_curve: OnCurve, *, base: bool) -> tuple[float, float] | None:
    """Find the point at which a position holds only base, or only quote; None where the curve never runs out of the other token."""

    def held(log_size: float) -> tuple[float, float]:
        return (math.exp(log_size), 0.0) if base else (0.0, math.exp(log_size))

    try:
        return held(root(lambda log_size: on_curve(*held(log_size))[0]))
    except CurveError:
        return None


def root(function: Callable[[float], float]) -> float:
    """Find the root of a monotone function: widen a bracket from 0 until the sign differs, then use Ridders' method.

    Raises: CurveError if it does not cross zero, or has no value on the way.
    """

    def flat(at: float) -> float:
        return math.asinh(function(at))  # the same zero; of values of any size the squares below are finite

    try:
        return _ridders(flat, *_bracket(flat))
    except (ArithmeticError, ValueError) as error:
        raise CurveError(f"an equation has no value where it must be solved: {error}") from error


def _bracket(function: Callable[[float], float]) -> tuple[float, float]:
    step = 1.0
    while function(-step) * function(step) > 0:
        step *= 2
        if step > _WIDEST:
            raise CurveError("an equation has no solution with positive holdings")
    return -step, step


def _ridders(function: Callable[[float], float], low: float, high: float) -> float:
    at_low, at_high = function(low), function(high)
    found = math.inf
    for _ in range(_MOST_STEPS):
        middle = (low + high) / 2
        at_middle = function(middle)
        scale = math.sqrt(at_middle**2 - at_low * at_high)
        if scale == 0:
            return middle
        last, found = (
            found,
            middle + (middle - low) * math.copysign(at_middle / scale, (at_low - at_high) * at_middle),
        )
        at_found = function(found)
        if at_found == 0 or min(abs(found - last), abs(high - low)) <= _CLOSE * max(1.0, abs(found)):
            return found
        if at_middle * at_found < 0:
            low, at_low, high, at_high = middle, at_middle, found, at_found
        elif at_low * at_found < 0:
            high, at_high = found, at_found
        else:
            low, at_low = found, at_found
    raise CurveError("an equation was not solved within its steps")
