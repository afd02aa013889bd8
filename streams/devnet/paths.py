"""Seeded random paths that drive the order flow: the fair price, and a block's gas price."""

import math
import random

import msgspec

from .world import FIRST_PRICE_USDC

_BPS = 10_000
_GWEI = 10**9


class PriceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How wild the fair price is. The defaults leave a range of 2-3 % within a hundred blocks."""

    volatility_bps: int = 30  # of one block
    jump_chance_bps: int = 200
    jump_bps: int = 200  # standard deviation of a jump


class PricePath:
    """Dollars for one WETH: geometric Brownian motion with jumps."""

    def __init__(self, seed: int, settings: PriceSettings) -> None:
        self.price_usdc = float(FIRST_PRICE_USDC)
        self._random = seeded(seed, "price")
        self._settings = settings

    def step(self) -> float:
        """Move on by a block and return the price."""
        sigma = self._settings.volatility_bps / _BPS
        change = self._random.gauss(-sigma * sigma / 2, sigma)
        if self._random.random() < self._settings.jump_chance_bps / _BPS:
            change += self._random.gauss(0, self._settings.jump_bps / _BPS)
        self.price_usdc *= math.exp(change)
        return self.price_usdc


class BaseFeePath:
    """The base fee: its logarithm returns to a mean of 12 gwei."""

    _MEAN, _PULL, _SIGMA = math.log(12 * _GWEI), 0.05, 0.08

    def __init__(self, seed: int) -> None:
        self._log_wei = self._MEAN
        self._random = seeded(seed, "base fee")

    def step_wei(self) -> int:
        """Move on by a block and return its base fee."""
        self._log_wei += self._PULL * (self._MEAN - self._log_wei) + self._random.gauss(0, self._SIGMA)
        return int(math.exp(self._log_wei))


def seeded(seed: int, part: str) -> random.Random:
    """Return a generator of its own for each part, so that one part drawing more moves no other."""
    return random.Random(f"{seed}/{part}")  # noqa: S311 - it must repeat itself
