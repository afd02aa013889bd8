"""The differences between the followed versions of Aave V3: rounding, compounding and the totals of an account."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import msgspec

from pipeline.errors import ImpossibleFactError
from pipeline.math.fixed_point import MAX_UINT256
from pipeline.units import Address, Bps, RawAmount, Seconds
from pipeline.venues.block_call import BlockCall

NO_DEBT_HEALTH = MAX_UINT256
"""The health factor of an account that owes nothing."""


class CollateralTerms(NamedTuple):
    """What a collateral counts for in its account, its e-mode considered."""

    ltv_bps: Bps
    threshold_bps: Bps


class ReserveHolding(NamedTuple):
    """What an account has of one reserve and owes to it, where its flags say that it counts."""

    price: int
    """Of a whole token, in units of the oracle's base currency."""
    unit: int
    """Of the token: ten to its decimals."""
    collateral: RawAmount
    terms: CollateralTerms | None
    """None where it is not collateral."""
    debt: RawAmount


class AccountData(msgspec.Struct, frozen=True, kw_only=True):
    """The values of an account at a market, in the order of `getUserAccountData`.

    Units: amounts in units of the oracle's base currency, the health factor in wads.
    """

    collateral_base: int
    debt_base: int
    available_base: int
    """What the account can still borrow."""
    threshold_bps: Bps
    """Mean of the collaterals, weighted by value. Rounds: down."""
    ltv_bps: Bps
    """Mean of the collaterals, weighted by value. Rounds: down."""
    health_wad: int


class EmodeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of an e-mode category that determine an account's values."""

    category: int
    ltv_bps: Bps
    threshold_bps: Bps
    collateral_map: int = 0
    """Bits by reserve: for which the category's terms hold. 3.6 only."""
    ltv_zero_map: int = 0
    """Bits by reserve: which nothing can be borrowed on all the same. 3.6 only."""


class VersionRules(Protocol):
    """The rules of one version. Indices, rates and factors are rays.

    A `change` is that of the displayed balance, as token logs tell it: negative where it was burned.
    """

    def compounded(self, rate_ray: int, elapsed_s: Seconds, /) -> int:
        """Compute by what a debt has grown."""

    def collateral_balance(self, scaled: int, index_ray: int, /) -> RawAmount:
        """Display an aToken balance."""

    def debt_balance(self, scaled: int, index_ray: int, /) -> RawAmount:
        """Display a balance of the variable debt token."""

    def collateral_after(self, scaled: int, change: int, index_ray: int, /) -> int:
        """Return the scaled aToken balance after a log."""

    def debt_after(self, scaled: int, change: int, index_ray: int, /) -> int:
        """Return the scaled debt after a log."""

    def still_borrowing(self, scaled: int, change: int, index_ray: int, /) -> bool:
        """Return whether the borrowing flag is set after a change of a debt that was `scaled`."""

    def terms(
        self, configuration: int, reserve_id: int, emode: EmodeTerms | None, /
    ) -> CollateralTerms | None:
        """Return what a reserve counts for as collateral; None where it does not."""

    def free_call(self, pool: Address, asset: Address, a_token: Address, /) -> BlockCall:
        """Make the question whose answer is what a reserve still has to lend."""

    def account_data(self, holdings: Iterable[ReserveHolding], /) -> AccountData:
        """Add an account up."""


class Weighed(NamedTuple):
    """What an account has and owes, and its collateral weighed by LTV and by threshold. Units: the oracle's base currency, times bps."""

    collateral: int
    debt: int
    by_ltv: int
    by_threshold: int


def weigh(holdings: Iterable[ReserveHolding], debt_value: Callable[[ReserveHolding], int]) -> Weighed:
    """Add up what counts; the versions differ in how a debt's value rounds. Rounds: a collateral's value down."""
    collateral = debt = by_ltv = by_threshold = 0
    for held in holdings:
        if held.terms is not None:
            value = held.collateral * held.price // held.unit
            collateral += value
            by_ltv += value * held.terms.ltv_bps
            by_threshold += value * held.terms.threshold_bps
        debt += debt_value(held)
    return Weighed(collateral, debt, by_ltv, by_threshold)


def displayed_after(displayed: int, change: int) -> int:
    """Apply a log's change to a displayed balance. Raises: ImpossibleFactError where nothing so large was there."""
    if displayed + change < 0:
        raise ImpossibleFactError(f"a log burns {-change} of a balance of {displayed}")
    return displayed + change


def weighted_mean(weighted: int, total: int) -> Bps:
    """Divide what percentages weighed by value add up to. Rounds: down."""
    return Bps(weighted // total if total else 0)
