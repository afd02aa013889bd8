"""Types of a lending account: what an account at a lending market has supplied and owes, by the market's own count."""

import msgspec

from pipeline.units import Address, Bps, RawAmount


class LendingAsset(msgspec.Struct, frozen=True, kw_only=True):
    """One token that is collateral, or owed."""

    token: Address
    unit: int
    """Of the token: ten to its decimals."""
    price: int
    """Of a whole token, by the market's oracle: only ratios of it mean anything."""
    collateral: RawAmount
    """What counts as collateral, raw."""
    threshold_bps: Bps
    """Which share of the collateral's value counts against liquidation."""
    debt: RawAmount


class LendingAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as a whole."""

    assets: tuple[LendingAsset, ...]
    health_wad: int
    """The health factor as the market's contract tells it: below 10^18 the account may be liquidated."""
