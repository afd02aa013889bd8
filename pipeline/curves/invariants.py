"""The invariants of AMMs: an equation between a position's base, x, and its quote, y.

Each is written so that a position on it may have any size. Everything else (price, holdings at a price, value, delta,
gamma, the rate of LVR, divergence loss) is derived from the equation: `derive.py`.
"""

from collections.abc import Mapping

import msgspec

from pipeline.curves.formula import names_in
from pipeline.errors import CurveError

HOLDINGS = frozenset({"x", "y"})
RESERVED = frozenset({"P", "P0", "sigma"})
"""Names of what is derived: price, an earlier price, volatility."""


class Invariant(msgspec.Struct, frozen=True):
    """An AMM's invariant: an equation `left = right` in x, y and parameters, all of them positive.

    Raises: CurveError if it is not arithmetic, or says nothing of x or y.
    """

    equation: str

    def __post_init__(self) -> None:
        names = self._names()
        if not names >= HOLDINGS:
            raise CurveError(f"{self.equation!r} does not name x, the base held, and y, the quote held")
        kept = sorted(name for name in names if name in RESERVED or name.startswith("_"))
        if kept:
            raise CurveError(f"{self.equation!r}: {', '.join(kept)} is kept for what is derived")

    @property
    def sides(self) -> tuple[str, str]:
        """The expressions to the left and to the right of the equals sign."""
        left, separator, right = self.equation.partition("=")
        if not separator or "=" in right:
            raise CurveError(f"{self.equation!r} is not an equation `left = right`")
        return left.strip(), right.strip()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the equation's parameters, sorted."""
        return tuple(sorted(self._names() - HOLDINGS))

    def _names(self) -> frozenset[str]:
        left, right = self.sides
        return names_in(left) | names_in(right)


class Amm(msgspec.Struct, frozen=True):
    """An AMM known by name: its invariant, and default parameters with which its price is about 1."""

    invariant: Invariant
    parameters: Mapping[str, float]


AMMS: Mapping[str, Amm] = {
    "constant-product": Amm(Invariant("x*y = L**2"), {"L": 1.0}),
    "weighted": Amm(Invariant("x**w * y**(1 - w) = k"), {"w": 0.8, "k": 1.0}),
    "range": Amm(
        Invariant("(x + L/sqrt(high)) * (y + L*sqrt(low)) = L**2"), {"L": 1.0, "low": 0.8, "high": 1.25}
    ),
    "stable-swap": Amm(
        Invariant("4*A*(x + y) + D = 4*A*D + D**3/(4*x*y)"), {"A": 100.0, "D": 2.0}
    ),  # A as in the paper; the contracts of two coins store 2*A
    "solidly": Amm(Invariant("x**3*y + x*y**3 = k"), {"k": 2.0}),
}
"""What the project knows by name. `range` is a Uniswap V3 position: liquidity L between two prices."""
