"""Alerts about what a hedged book owes: its health, and its account's liquidation; on `decisions.v1` like all alerts."""

from pipeline.messages.base import Output, TokenAmount
from pipeline.units import Address, BookId, Hash, RawAmount


class HealthLow(Output, frozen=True, kw_only=True, tag=True):
    """The health factor of a hedged book has fallen below `hedge.warn`. Published once, until `HealthRestored`."""

    book: BookId
    health_bps: int
    """The health factor, in bps of 1."""
    warn_bps: int
    act_bps: int
    """The health factor below which plans secure the debt at once."""


class HealthRestored(Output, frozen=True, kw_only=True, tag=True):
    """A book's health factor is at least 0.01 above `hedge.warn` again, or the book owes nothing any more."""

    book: BookId
    health_bps: int | None
    """The health factor, in bps of 1; None: nothing is owed."""


class AccountLiquidated(Output, frozen=True, kw_only=True, tag=True):
    """Somebody liquidated a book's loan or short: repaid a part of the debt and took collateral. It pauses a live book."""

    book: BookId
    item: str
    """The account at the market."""
    transaction_hash: Hash
    liquidator: Address
    repaid: TokenAmount
    seized: TokenAmount
    """What was taken of the collateral, the market's own part included; that part may be a raw unit off."""
    bonus: RawAmount | None
    """How much of the seized token exceeds the value of the repayment, at the market's prices after the block; None where a price is not known."""
    collateral_left: tuple[TokenAmount, ...]
    """The collateral and the debt that are left after the block."""
    debt_left: tuple[TokenAmount, ...]
    health_bps: int | None
    """After the block, in bps of 1; None: nothing is owed, or a price is not known."""


AnyAccountAlert = HealthLow | HealthRestored | AccountLiquidated
