"""Types of a lending account: what an account at a lending market has supplied and owes, by the market's own count."""

import msgspec

from pipeline.units import Address, Bps, RawAmount


class LendingAsset(msgspec.Struct, frozen=True, kw_only=True):
    """One token that is collateral, or owed."""

    token: Address
    unit: int
    """The raw units of a whole token: ten to its decimals."""
    price: int
    """The price of a whole token by the market's oracle; only ratios of such prices have a meaning."""
    collateral: RawAmount
    """The raw amount that counts as collateral."""
    threshold_bps: Bps
    """The share of the collateral's value that counts against liquidation."""
    debt: RawAmount


class LendingAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a lending market, with its assets and its health."""

    assets: tuple[LendingAsset, ...]
    health_wad: int
    """The health factor as the market's contract computes it: below 10^18 the account may be liquidated."""
