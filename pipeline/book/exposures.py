"""Types of exposures: the signed token amounts that an item of a venue adds to a book, row by row, and the price of one."""

from typing import Literal

import msgspec

from pipeline.book.lending_accounts import LendingAccount
from pipeline.messages.base import Price
from pipeline.messages.goals import Terms
from pipeline.units import Address, Liquidity, RawAmount

ExposureKind = Literal["wallet", "native", "principal", "fees", "collateral", "debt"]
"""Tokens of an account; the coin of an account, as its wrapped token; what leaving a position pays; what it has earned; what is
supplied to a lending market, or stands against a short; what is owed to one, or short, which is negative."""


class Exposure(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A signed amount of one token, of one kind."""

    token: Address
    kind: ExposureKind
    amount: RawAmount


class LiquidityRange(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidity of a pool between two of its prices of token0 in token1, raw."""

    token0: Address
    token1: Address
    low: Price
    high: Price
    liquidity: Liquidity


class HeldItem(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An item that a book has at a venue: a position, or a balance."""

    item: str
    """The item's key: `position/...`, `balance/...`."""
    exposures: tuple[Exposure, ...]
    provides_liquidity: bool = False
    in_range: bool = False
    """Whether it provides liquidity at the present price."""

    @property
    def is_empty(self) -> bool:
        """Return whether the item holds nothing and provides no liquidity."""
        return not self.provides_liquidity and not any(row.amount for row in self.exposures)

    def liquidity_range(self) -> LiquidityRange | None:
        """Return the range on which the item's amounts change with the price; None where they do not."""
        return None

    def terms(self) -> Terms:
        """Return the item's own data, which only its venue reads; nothing for a balance."""
        return {}

    def lending_account(self) -> LendingAccount | None:
        """Return the debt and its collateral; None where nothing is owed."""
        return None


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that a pool trades, and its present price."""

    token0: Address
    token1: Address
    price: Price
    """The price of token0 in token1."""

    def of(self, token: Address) -> tuple[Address, Price] | None:
        """Return what a token is traded for, and its price; None where the pool does not trade it."""
        if token == self.token0:
            return self.token1, self.price
        if token == self.token1:
            return self.token0, self.price.inverse()
        return None


ONE_FOR_ONE = Price(numerator=1, denominator=1)
