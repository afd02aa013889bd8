"""Convert a range of liquidity into the parameters of the curve `range`, in whole tokens, whichever token is the base."""

import math
from collections.abc import Mapping

import msgspec

from pipeline.errors import CurveError
from pipeline.units import Liquidity

MOST_DECIMALS = 255
"""A token's `decimals` is a byte."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of a pool: their decimals, and which of them is the base. Raises: CurveError if a number of decimals is impossible."""

    decimals0: int
    decimals1: int
    base_is_token0: bool

    def __post_init__(self) -> None:
        for decimals in (self.decimals0, self.decimals1):
            if not 0 <= decimals <= MOST_DECIMALS:
                raise CurveError(f"a token does not have {decimals} decimals")

    @property
    def base_decimals(self) -> int:
        """The base's decimals."""
        return self.decimals0 if self.base_is_token0 else self.decimals1

    @property
    def quote_decimals(self) -> int:
        """The quote's decimals."""
        return self.decimals1 if self.base_is_token0 else self.decimals0

    def price(self, numerator: int, denominator: int) -> float:
        """Convert a pool's exact price, of raw token0 in raw token1, to whole quote per whole base."""
        token1_per_token0: float = numerator * 10**self.decimals0 / (denominator * 10**self.decimals1)
        return token1_per_token0 if self.base_is_token0 else 1 / token1_per_token0


def range_parameters(
    pair: Pair, liquidity: Liquidity, low: tuple[int, int], high: tuple[int, int]
) -> dict[str, float]:
    """Convert a position's liquidity and the exact prices at its range's ends to whole tokens. Raises: CurveError if it has no liquidity."""
    if liquidity <= 0:
        raise CurveError("a position without liquidity has no curve")
    ends = sorted(pair.price(*price) for price in (low, high))
    unit_squared = 10 ** (pair.decimals0 + pair.decimals1)
    return {"L": (liquidity**2 / unit_squared) ** 0.5, "low": ends[0], "high": ends[1]}


def range_gamma(parameters: Mapping[str, float], price: float) -> float:
    """Compute the gamma of a range at a price. The formula is the one that `derive` gives, without loading sympy.

    At an edge it is that of the inside, beyond it 0. Formula: -L / (2 P^(3/2)).
    """
    if not parameters["low"] <= price <= parameters["high"]:
        return 0.0
    return -parameters["L"] / (2 * price * math.sqrt(price))
