"""Bound how far what a book has at one pool can move before the book must be judged again."""

from collections.abc import Mapping

import msgspec

from pipeline.book.exposures import Spot
from pipeline.units import Address


class PoolSpan(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on a pool's price, and what a book can have while the price stays within them.

    Within them nothing of the book's views is news but its amounts, and each of its items provides liquidity or does not, as it does now.
    """

    bounds: Mapping[str, int]
    """The first value of each of the pool's measures that is outside the span, from below."""
    amounts: Mapping[Address, tuple[int, int]]
    """By token, the least and the largest difference of the book's amount from its present one."""
    spots: tuple[Spot, Spot]
    """The lowest and the highest price of the pool."""
