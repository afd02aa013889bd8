"""Evaluate a curve that has no closed form at many prices at once, by Newton's method on numpy arrays.

A position is found by its ray, y = x e**t: with the size s, x = exp(s - t/2) and y = exp(s + t/2). Along the curve, where
dy = -P dx, both the size and the price's logarithm q are smooth in t:

    ds/dt = (P x - y) / (P x + y) / 2        dq/dt = -x y / (P x + y) / (P gamma)

so that a few rays, solved for one by one, say by interpolation nearly where any price lies.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.curves.solve import PRICE_TOLERANCE, OnCurve, root
from pipeline.errors import CurveError

Array = np.ndarray[Any, np.dtype[np.float64]]
ArrayFunction = Callable[[Array, Array], tuple[Any, ...]]

ARRAY_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"sqrt": np.sqrt, "exp": np.exp, "log": np.log}
"""What a formula of arrays may call."""

_STEPS = tuple(0.02 * 1.35**n for n in range(22))
"""Between the rays that are solved for one by one, outwards from t = 0: as far as e**42. At 0 itself Solidly's gamma has no bound."""
_NODES, _PER_NODE, _ROUNDS, _MARGIN = 49, 16, 5, 1e-3
_NUDGE, _SIZE_ROUNDS, _CLOSE = 1e-7, 12, 1e-15


class ManyPrices:
    """A position on a curve without a closed form, to be evaluated at many prices. The two pairs of functions are the same formulas, for floats and for arrays."""

    def __init__(
        self,
        on_curve: OnCurve,
        at_holdings: OnCurve,
        on_arrays: ArrayFunction,
        greeks_on_arrays: ArrayFunction,
    ) -> None:
        self._on_curve, self._greeks = on_arrays, greeks_on_arrays
        down, up = (list(_rays(on_curve, at_holdings, way)) for way in (-1.0, 1.0))
        self._rays = np.array(
            [*reversed(down), *up]
        ).T  # one row each of ray, size, log price and their slopes
        self._closer = _closer(self._rays) if self._rays.ndim > 1 else ()

    def at(self, prices: Sequence[float]) -> tuple[Iterable[tuple[float, ...]], list[int]]:
        """Compute `at_holdings` at each price, and list the indices of prices without a regular point within the tolerance."""
        wanted = np.array(prices, dtype=np.float64)
        if not (self._closer and prices):
            return [()] * len(prices), list(range(len(prices)))
        with np.errstate(all="ignore"):
            results = self._solved(np.log(wanted))
            price, base, quote, gamma = *results[:3], results[-2]
            found = np.abs(price / wanted - 1) <= PRICE_TOLERANCE
            found &= (base >= 0) & (quote >= 0) & (gamma > -math.inf) & (gamma < 0)
        rows = zip(*(np.broadcast_to(each, wanted.shape).tolist() for each in results), strict=True)
        return rows, np.flatnonzero(~found).tolist()

    def _solved(self, logs: Array) -> tuple[Any, ...]:
        t, size = self._nearly(logs)
        slope = self._slope(t, size)
        for _ in range(_ROUNDS):
            size = size - self._on_curve(*_held(t, size))[0] / slope
            results = self._greeks(*_held(t, size))
            off = logs - np.log(results[0])
            if (np.abs(off) <= PRICE_TOLERANCE / 2).all():
                break
            by_t, size_by_t = _slopes(results[0], results[1], results[2], results[-2])
            t, size = t + off / by_t, size + size_by_t * off / by_t
        return results

    def _nearly(self, logs: Array) -> tuple[Array, Array]:
        """Estimate ray and size at each price by interpolation, first between the curve's rays, then between closer ones."""
        rays = self._rays
        ends = np.interp([logs.min(), logs.max()], *self._closer)
        t = np.linspace(ends[0] - _MARGIN, ends[1] + _MARGIN, _NODES)
        size = _hermite(rays[0], rays[1], rays[3], t)
        slope = self._slope(t, size)
        for _ in range(2):
            size = size - self._on_curve(*_held(t, size))[0] / slope
        results = self._greeks(*_held(t, size))
        by_t, size_by_t = _slopes(results[0], results[1], results[2], results[-2])
        nodes = np.array([t, size, np.log(results[0]), size_by_t, by_t])
        at = np.interp(logs, *_closer(nodes))
        return at, _hermite(nodes[0], nodes[1], nodes[3], at)

    def _slope(self, t: Array, size: Array) -> Array:
        """Compute numerically how the equation's residual changes with the size on each ray."""
        (off, *_), (nudged, *_) = (self._on_curve(*_held(t, each)) for each in (size, size + _NUDGE))
        slope: Array = (nudged - off) / _NUDGE
        return slope


def _held(t: Array, size: Array) -> tuple[Array, Array]:
    half = t / 2
    return np.exp(size - half), np.exp(size + half)


def _rays(on_curve: OnCurve, at_holdings: OnCurve, way: float) -> Iterator[tuple[float, ...]]:
    """Solve for the curve's points on rays from the origin, outwards from equal amounts, as far as the equation has values."""
    with contextlib.suppress(ArithmeticError, ValueError, CurveError):
        t, size = 0.0, root(lambda s: on_curve(math.exp(s), math.exp(s))[0])
        for step in _STEPS:
            t += way * step
            size = _size_near(t, size, on_curve)
            price, base, quote, *_, gamma, _ = at_holdings(math.exp(size - t / 2), math.exp(size + t / 2))
            by_t, size_by_t = _slopes(price, base, quote, gamma)
            yield t, size, math.log(price), size_by_t, by_t


def _size_near(t: float, size: float, on_curve: OnCurve) -> float:
    """Find the size on a ray from that on a near ray, by Newton's method with a numerical slope. Raises: ArithmeticError."""
    for _ in range(_SIZE_ROUNDS):
        base, quote = math.exp(size - t / 2), math.exp(size + t / 2)
        off = on_curve(base, quote)[0]
        slope = (on_curve(base * (1 + _NUDGE), quote * (1 + _NUDGE))[0] - off) / math.log1p(_NUDGE)
        size -= off / slope
        if abs(off / slope) <= 4 * _CLOSE * max(1.0, abs(size)):
            return size
    raise ArithmeticError("no size nearby")


def _slopes(price: Any, base: Any, quote: Any, gamma: Any) -> tuple[Any, Any]:
    """Compute the derivatives of the price's logarithm and of the size with respect to the ray, along the curve."""
    value = price * base + quote
    return -base * quote / value / (price * gamma), (price * base - quote) / value / 2


def _closer(rays: Array) -> tuple[Array, Array]:
    """Compute the price's logarithm, which rises with the ray, on rays between the known ones; return it and these rays."""
    closer = np.linspace(rays[0, 0], rays[0, -1], _PER_NODE * rays.shape[1])
    return _hermite(rays[0], rays[2], rays[4], closer), closer


def _hermite(nodes: Array, values: Array, slopes: Array, at: Array) -> Array:
    """Interpolate by cubic Hermite polynomials through the values and slopes at the nodes."""
    right = np.clip(np.searchsorted(nodes, at), 1, len(nodes) - 1)
    left = right - 1
    width = nodes[right] - nodes[left]
    s = (at - nodes[left]) / width
    chord = (values[right] - values[left]) / width
    bend = (slopes[left] - chord) * (1 - s) - (slopes[right] - chord) * s
    return values[left] + s * width * (chord + (1 - s) * bend)
