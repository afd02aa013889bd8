"""Derive with sympy everything that an invariant implies. No other module writes these formulas.

On a curve f(x, y) = k the price of the base is P = f_x/f_y, and a step dx changes the quote by dy = -P dx. So the
derivative of anything along the curve is d/dx = D(g) = g_x - P g_y, and with the value V = P x + y

    delta = dV/dP = D(V)/D(P)      gamma = d2V/dP2 = D(delta)/D(P)      LVR per variance = -P**2 gamma/2

are formulas in the holdings, whatever the invariant. Where P = f_x/f_y can be solved for one holding they become
formulas in the price, and the price a formula in the base; where not, `solve.py` finds the holdings.

This module loads sympy, which takes a second: only what makes a new curve imports it.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from sympy.parsing.sympy_parser import parse_expr

from pipeline.curves.derived import Derived
from pipeline.curves.invariants import Invariant
from pipeline.errors import CurveError

PRICE, EARLIER = (sympy.Symbol(name, positive=True) for name in ("P", "P0"))
SIGMA = sympy.Symbol("sigma", positive=True)


class Symbolic:
    """The formulas of an invariant as sympy expressions. All symbols are positive."""

    def __init__(self, invariant: Invariant) -> None:
        names = {name: sympy.Symbol(name, positive=True) for name in ("x", "y", *invariant.parameters)}
        left, right = (parse_expr(side, local_dict=dict(names)) for side in invariant.sides)
        self.x, self.y = names["x"], names["y"]
        self.parameters = [names[name] for name in invariant.parameters]
        self.level = left - right
        slope_x, slope_y = sympy.diff(self.level, self.x), sympy.diff(self.level, self.y)
        self.price = sympy.simplify(slope_x / slope_y)
        if not sympy.simplify(self.along(self.price)):
            raise CurveError(f"{invariant.equation!r}: the price does not depend on the holdings")
        self.value = self.price * self.x + self.y
        self.delta = sympy.simplify(self.along(self.value) / self.along(self.price))
        self.gamma = sympy.factor(sympy.simplify(self.along(self.delta) / self.along(self.price)))

    def along(self, formula: Any) -> Any:
        """Differentiate an expression with respect to the base, along the curve."""
        return sympy.diff(formula, self.x) - self.price * sympy.diff(formula, self.y)

    def holdings_at_price(self) -> tuple[Any, Any] | None:
        """Solve for base and quote at a price; None where more than one linear equation would have to be solved."""
        condition = sympy.numer(sympy.together(self.price - PRICE))
        if not condition.is_polynomial(self.y) or sympy.degree(condition, self.y) != 1:
            return None
        (quote,) = sympy.solve(condition, self.y)
        on_curve = sympy.expand_power_base(self.level.subs(self.y, quote), force=True)
        bases = [root for root in sympy.solve(sympy.powsimp(on_curve), self.x) if not root.is_negative]
        if len(bases) != 1:
            return None
        base = sympy.simplify(bases[0])
        return base, sympy.simplify(quote.subs(self.x, base))

    def quote_beside_base(self) -> list[Any]:
        """Solve the invariant's equation for the quote."""
        return [root for root in sympy.solve(self.level, self.y) if not root.is_negative]

    def in_holdings(self) -> dict[str, Any]:
        """Collect the formulas in the held base and quote, which need no solution for the price."""
        return {
            "price": self.price,
            "value": self.value,
            "delta": self.delta,
            "gamma": self.gamma,
            "LVR": lvr(self.price, self.gamma),
        }


def derive(invariant: Invariant) -> Derived:
    """Derive all formulas of an invariant, as text and as source code of functions.

    Raises: CurveError if its price is the same everywhere.
    """
    symbolic = Symbolic(invariant)
    closed = symbolic.holdings_at_price()
    formulas = symbolic.in_holdings() if closed is None else in_price(*closed)
    return Derived(
        equation=invariant.equation,
        parameters=invariant.parameters,
        formulas={name: str(formula) for name, formula in formulas.items()},
        sources=_in_holdings(symbolic) | ({} if closed is None else _in_price(symbolic, formulas)),
    )


def in_price(base: Any, quote: Any) -> dict[str, Any]:
    """Derive value, delta, gamma, LVR per time and divergence loss as functions of the price, and the prices at which a token runs out."""
    value = sympy.simplify(PRICE * base + quote)
    delta = sympy.simplify(sympy.diff(value, PRICE))
    gamma = sympy.simplify(sympy.diff(delta, PRICE))
    held = PRICE * base.subs(PRICE, EARLIER) + quote.subs(PRICE, EARLIER)
    ends = {"low": _positive(sympy.solve(quote, PRICE)), "high": _positive(sympy.solve(base, PRICE))}
    return {
        "base": base,
        "quote": quote,
        "value": value,
        "delta": delta,
        "gamma": gamma,
        "LVR": lvr(PRICE, gamma),
        "divergence loss": sympy.simplify(value - held),
    } | {name: roots[0] for name, roots in ends.items() if len(roots) == 1}


def lvr(price: Any, gamma: Any) -> Any:
    """Derive the loss versus rebalancing per unit of time, at a volatility of `sigma` per square root of that unit."""
    return sympy.factor(sympy.simplify(-(SIGMA**2) * price**2 * gamma / 2))


def _in_holdings(symbolic: Symbolic) -> dict[str, str]:
    known = symbolic.in_holdings()
    greeks = [known[name].subs(SIGMA, 1) for name in ("value", "delta", "gamma", "LVR")]
    arguments = [*symbolic.parameters, symbolic.x, symbolic.y]
    return {
        "on_curve": _source(arguments, [symbolic.level, symbolic.price]),
        "at_holdings": _source(arguments, [symbolic.price, symbolic.x, symbolic.y, *greeks]),
    }


def _in_price(symbolic: Symbolic, formulas: Mapping[str, Any]) -> dict[str, str]:
    greeks = [formulas[name].subs(SIGMA, 1) for name in ("base", "quote", "value", "delta", "gamma", "LVR")]
    sources = {"at_price": _source([*symbolic.parameters, PRICE], [PRICE, *greeks])}
    quotes = symbolic.quote_beside_base()
    if len(quotes) == 1:
        beside = [quotes[0], sympy.simplify(symbolic.price.subs(symbolic.y, quotes[0]))]
        sources["at_base"] = _source([*symbolic.parameters, symbolic.x], beside)
    for end in formulas.keys() & {"low", "high"}:
        sources[end] = _source(symbolic.parameters, [formulas[end]])
    return sources


def _positive(roots: Sequence[Any]) -> list[Any]:
    return [root for root in roots if root.is_positive]


def _source(arguments: Sequence[Any], results: Sequence[Any]) -> str:
    function = sympy.lambdify(arguments, tuple(results), modules="math", cse=_shared, docstring_limit=0)
    return inspect.getsource(function)


def _shared(formulas: Any) -> Any:
    """Extract the common subexpressions of formulas, under names that no parameter has."""
    return sympy.cse(formulas, symbols=sympy.numbered_symbols("_"), list=False)
