"""What an item of a venue puts into a book: signed amounts of tokens, a row each, and what one of them is worth."""

from typing import Literal

import msgspec

from pipeline.book.loans import HeldLoan
from pipeline.units import Address, Liquidity, RawAmount

ExposureKind = Literal["wallet", "native", "principal", "fees", "collateral", "debt"]
"""Tokens of an account; the coin of an account, as its wrapped token; what leaving a position pays; what it has earned; what is
supplied to a lending market; what is owed to one, which is negative."""


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """A signed amount of one token, of one kind."""

    token: Address
    kind: ExposureKind
    amount: RawAmount


class LiquidityRange(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidity of a pool between two of its prices of token0 in token1, raw."""

    token0: Address
    token1: Address
    low: "Price"
    high: "Price"
    liquidity: Liquidity


class HeldItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that a book has at a venue: a position, or a balance."""

    item: str
    """Its key: `position/...`, `balance/...`."""
    exposures: tuple[Exposure, ...]
    provides_liquidity: bool = False
    in_range: bool = False
    """It provides liquidity at the present price."""

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing and provides no liquidity."""
        return not self.provides_liquidity and not any(row.amount for row in self.exposures)

    def liquidity_range(self) -> LiquidityRange | None:
        """Tell on which range its holdings change with the price; None where they do not."""
        return None

    def loan(self) -> HeldLoan | None:
        """Tell what is owed against which collateral; None where nothing is."""
        return None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Raw units of one token for a raw unit of another: an exact ratio, not reduced."""

    numerator: int
    denominator: int

    @property
    def ratio(self) -> tuple[int, int]:
        """Numerator and denominator."""
        return self.numerator, self.denominator

    def value(self, amount: int) -> RawAmount:
        """Value a signed amount. Rounds: down, so a debt counts in full."""
        return RawAmount(amount * self.numerator // self.denominator)

    def times(self, further: "Price") -> "Price":
        """Carry a price on: of the first token in a third, by way of the second."""
        return Price(
            numerator=self.numerator * further.numerator, denominator=self.denominator * further.denominator
        )


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool trades, and at which price just now."""

    token0: Address
    token1: Address
    price: Price
    """Of token0 in token1."""

    def of(self, token: Address) -> tuple[Address, Price] | None:
        """Find what a token is traded for, and its price; None where the pool does not trade it."""
        if token == self.token0:
            return self.token1, self.price
        if token == self.token1:
            return self.token0, Price(numerator=self.price.denominator, denominator=self.price.numerator)
        return None


ONE_FOR_ONE = Price(numerator=1, denominator=1)
