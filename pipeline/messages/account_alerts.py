"""Alerts about what a hedged book owes: its health, and its account's liquidation; on `decisions.v1` like all alerts."""

from pipeline.messages.base import Output, TokenAmount
from pipeline.units import Address, BookId, Hash, RawAmount


class HealthLow(Output, frozen=True, kw_only=True, tag=True):
    """The health factor of a hedged book has fallen below the level at which it warns. Told once, until it is back."""

    book: BookId
    health_bps: int
    """In bps of 1."""
    warn_bps: int
    act_bps: int
    """Below it the hedge is secured at once."""


class HealthRestored(Output, frozen=True, kw_only=True, tag=True):
    """It is back above that level, by a hundredth of 1 at least, or nothing is owed any more."""

    book: BookId
    health_bps: int | None
    """None: nothing is owed."""


class AccountLiquidated(Output, frozen=True, kw_only=True, tag=True):
    """Somebody repaid a part of what a book's account owes to a lending market, or closed its short elsewhere, and took collateral of it. A live book is paused by that."""

    book: BookId
    item: str
    """The account at the market."""
    transaction_hash: Hash
    liquidator: Address
    repaid: TokenAmount
    seized: TokenAmount
    """With the market's own part, which may be a unit more or less."""
    bonus: RawAmount | None
    """Of the token that was seized: what goes beyond the worth of what was repaid, by the market's prices after the block; None where one is not known."""
    collateral_left: tuple[TokenAmount, ...]
    """After the block."""
    debt_left: tuple[TokenAmount, ...]
    health_bps: int | None
    """After the block, in bps of 1; None: nothing is owed, or a price is not known."""


AnyAccountAlert = HealthLow | HealthRestored | AccountLiquidated
