"""The value curve of a position with given parameters: its holdings, value and derivatives at any price."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.curves.derived import Derived
from pipeline.curves.formula import FUNCTIONS, function_from
from pipeline.curves.solve import holdings_at, one_token_left, quote_beside
from pipeline.errors import CurveError

if TYPE_CHECKING:
    from pipeline.curves.many_prices import ManyPrices

_point = tuple.__new__  # half the time of `Point._make`
_ROUNDING = 1e-9
"""Of the value: a holding that is further below zero is not a rounding error."""


class Point(NamedTuple):
    """The holdings, value and derivatives of a position at one price. Units: whole tokens; price, value and LVR in quote."""

    price: float
    base: float
    quote: float
    value: float
    delta: float
    """The derivative of the value with respect to the price, in base."""
    gamma: float
    """The derivative of delta with respect to the price."""
    lvr_per_variance: float
    """The loss versus rebalancing per time, divided by the variance of the log price in that time."""


class Curve:
    """The value curve of one position on an invariant.

    Below `low` it holds base alone, above `high` quote alone, and it trades no more: delta is constant and gamma 0. At an
    edge itself gamma is that of the inside. A curve that never runs out of a token has the edges 0 and infinity.

    Raises: CurveError where a parameter is missing, unknown, or not positive, or the edges are not in order.
    """

    def __init__(self, derived: Derived, parameters: Mapping[str, float]) -> None:
        self.derived = derived
        self._parameters = _in_order(derived, parameters)
        self._on_curve = self._function("on_curve")
        self._at_holdings = self._function("at_holdings")
        self._at_price = self._function("at_price") if derived.closed_form else self._solved
        self._below, self._above = self._edge("low", base=True), self._edge("high", base=False)
        self.low = 0.0 if self._below is None else self._below.price
        self.high = math.inf if self._above is None else self._above.price
        if not 0 <= self.low < self.high:
            raise CurveError(
                f"{derived.equation!r}: the lowest price {self.low} is not below the highest {self.high}"
            )

    def at(self, price: float) -> Point:
        """Compute the position's holdings, value and derivatives at a price.

        Raises: CurveError if the price is not positive and finite, or the invariant is not convex there.
        """
        if self.low < price < self.high:
            try:
                point = _point(Point, self._at_price(price))
            except (ArithmeticError, ValueError) as error:
                raise CurveError(
                    f"{self.derived.equation!r} has no value at the price {price}: {error}"
                ) from error
            if point.base >= 0 <= point.quote and point.gamma < 0:
                return point
            return self._without_rounding(point)
        return self._at_edge_or_beyond(price)

    def along(self, prices: Iterable[float]) -> list[Point]:
        """Compute the position's holdings, value and derivatives at each price. Raises: CurveError as `at`.

        Where the holdings are solved for, those of all prices are at once: equal to `at` within its tolerance.
        """
        if self.derived.closed_form:
            return list(map(self.at, prices))
        asked = list(prices)
        rows, left = self._many_prices.at(asked)
        points = list(map(functools.partial(_point, Point), rows))
        for place in left:
            points[place] = self.at(asked[place])
        return points

    @functools.cached_property
    def _many_prices(self) -> "ManyPrices":
        from pipeline.curves.many_prices import (  # noqa: PLC0415 - loads numpy, 12 MiB that no worker needs
            ARRAY_FUNCTIONS,
            ManyPrices,
        )

        on_arrays = (self._function(name, ARRAY_FUNCTIONS) for name in ("on_curve", "at_holdings"))
        return ManyPrices(self._on_curve, self._at_holdings, *on_arrays)

    def price_with(self, base: float) -> float:
        """Find the price at which the position holds an amount of base. Raises: CurveError if there is none."""
        quote, price = self._beside(base)
        if not (base >= 0 and quote >= 0 and price > 0):
            raise CurveError(f"{self.derived.equation!r}: no position holds {base} of base")
        return price

    def divergence_loss(self, start: float, price: float) -> float:
        """Compute the divergence loss: the position's value at a price less that of its initial holdings. Negative: holding would be worth more."""
        held = self.at(start)
        return self.at(price).value - (price * held.base + held.quote)

    def _function(
        self, name: str, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
    ) -> Callable[..., tuple[Any, ...]]:
        return functools.partial(function_from(self.derived.sources[name], functions), *self._parameters)

    def _solved(self, price: float) -> tuple[float, ...]:
        base, quote = holdings_at(price, self._on_curve)
        try:
            return self._at_holdings(base, quote)
        except ZeroDivisionError:  # the price does not change here to first order, as at Solidly's balance
            return price, base, quote, price * base + quote, base, -math.inf, math.inf

    def _beside(self, base: float) -> tuple[float, ...]:
        """Find the quote that the position holds with an amount of base, and the price at that point."""
        if "at_base" in self.derived.sources:
            with contextlib.suppress(ArithmeticError):  # a power of it may be too large for a float
                return self._function("at_base")(base)
        quote = quote_beside(base, self._on_curve)
        return quote, self._on_curve(base, quote)[1]

    def _edge(self, name: str, *, base: bool) -> Point | None:
        """Compute the point at which the position holds only one token."""
        if self.derived.closed_form:
            if name not in self.derived.sources:
                return None
            found = Point(*self._at_price(*self._function(name)()))
        else:
            held = one_token_left(self._on_curve, base=base)
            if held is None:
                return None
            found = Point(*self._at_holdings(*held))
        return found._replace(quote=0.0) if base else found._replace(base=0.0, delta=0.0)

    def _at_edge_or_beyond(self, price: float) -> Point:
        if not 0 < price < math.inf:
            raise CurveError(f"the price {price} is not positive and finite")
        for edge in (self._below, self._above):
            if edge is not None and edge.price == price:
                return edge
        edge = self._below if price < self.low else self._above
        assert edge is not None, "a price beyond an edge"
        value = price * edge.base + edge.quote
        return Point(price, edge.base, edge.quote, value, edge.base, 0.0, 0.0)

    def _without_rounding(self, point: Point) -> Point:
        """Replace a holding that is negative by rounding alone by zero. Raises: CurveError for any other negative holding."""
        if not point.gamma < 0:
            raise CurveError(f"{self.derived.equation!r} is not convex at the price {point.price}")
        if not min(point.base * point.price, point.quote) >= -_ROUNDING * point.value:
            raise CurveError(f"{self.derived.equation!r} has no positive holdings at the price {point.price}")
        return point._replace(base=max(point.base, 0.0), quote=max(point.quote, 0.0))


def _in_order(derived: Derived, parameters: Mapping[str, float]) -> tuple[float, ...]:
    missing, unknown = (
        set(derived.parameters) - parameters.keys(),
        parameters.keys() - set(derived.parameters),
    )
    for says, names in (("needs a value for", missing), ("does not have", unknown)):
        if names:
            raise CurveError(f"{derived.equation!r} {says} {', '.join(sorted(names))}")
    for name, value in parameters.items():
        if not 0 < value < math.inf:
            raise CurveError(f"{derived.equation!r}: {name} = {value} is not positive and finite")
    return tuple(float(parameters[name]) for name in derived.parameters)
