"""The rules of Aave V3.0: amounts round to the nearest, an account's debt rounds down.

Source: WadRayMath, MathUtils, ScaledBalanceTokenBase, BorrowLogic, GenericLogic of @aave/core-v3 1.19.3
"""

from collections.abc import Iterable

from pipeline.errors import ImpossibleFactError
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3.interest import compounded_by_second
from pipeline.venues.aave_v3.one_word_calls import BALANCE_OF, about
from pipeline.venues.aave_v3.rays import percent_mul, ray_div, ray_mul, wad_div
from pipeline.venues.aave_v3.rules import (
    NO_DEBT_HEALTH,
    AccountData,
    CollateralTerms,
    EmodeTerms,
    ReserveHolding,
    weigh,
    weighted_mean,
)
from pipeline.venues.block_call import BlockCall


def compounded(rate_ray: int, elapsed_s: Seconds, /) -> int:
    """Compute by what a debt has grown."""
    return compounded_by_second(rate_ray, elapsed_s)


def collateral_balance(scaled: int, index_ray: int, /) -> RawAmount:
    """Display an aToken balance. Rounds: half up."""
    return RawAmount(ray_mul(scaled, index_ray))


def debt_balance(scaled: int, index_ray: int, /) -> RawAmount:
    """Display a balance of the variable debt token. Rounds: half up."""
    return RawAmount(ray_mul(scaled, index_ray))


def collateral_after(scaled: int, change: int, index_ray: int, /) -> int:
    """Return the scaled aToken balance after a log. Rounds: the scaled change half up."""
    moved = ray_div(abs(change), index_ray)
    if change < 0 and moved > scaled:
        raise ImpossibleFactError(f"a log burns {moved} of a scaled balance of {scaled}")
    return scaled + moved if change > 0 else scaled - moved


def debt_after(scaled: int, change: int, index_ray: int, /) -> int:
    """Return the scaled debt after a log. Rounds: the scaled change half up."""
    return collateral_after(scaled, change, index_ray)


def still_borrowing(scaled: int, change: int, index_ray: int, /) -> bool:
    """Return whether the flag is set: unless the whole debt as displayed was paid, even where nothing scaled is left."""
    return -change != ray_mul(scaled, index_ray)


def terms(configuration: int, reserve_id: int, emode: EmodeTerms | None, /) -> CollateralTerms | None:
    """Return what a reserve counts for: not at all without a threshold, and for no borrowing without a LTV of its own."""
    del reserve_id
    ltv_bps, threshold_bps = bits.ltv_bps(configuration), bits.threshold_bps(configuration)
    if not threshold_bps:
        return None
    if emode is None or bits.emode_category(configuration) != emode.category:
        return CollateralTerms(ltv_bps, threshold_bps)
    return CollateralTerms(emode.ltv_bps if ltv_bps else ltv_bps, emode.threshold_bps)


def free_call(pool: Address, asset: Address, a_token: Address, /) -> BlockCall:
    """Ask for the aToken's balance of the asset, which whoever sends it some makes larger."""
    del pool
    return about(asset, BALANCE_OF, a_token)


def account_data(holdings: Iterable[ReserveHolding], /) -> AccountData:
    """Add an account up. Rounds: values down, the mean threshold to a whole ten-thousandth before it is used."""
    collateral, debt, weighted_ltv, weighted_threshold = weigh(holdings, _debt_value)
    ltv_bps = weighted_mean(weighted_ltv, collateral)
    threshold_bps = weighted_mean(weighted_threshold, collateral)
    secured = percent_mul(collateral, threshold_bps)
    return AccountData(
        collateral_base=collateral,
        debt_base=debt,
        available_base=max(percent_mul(collateral, ltv_bps) - debt, 0),
        threshold_bps=threshold_bps,
        ltv_bps=ltv_bps,
        health_wad=wad_div(secured, debt) if debt else NO_DEBT_HEALTH,
    )


def _debt_value(held: ReserveHolding) -> int:
    return held.debt * held.price // held.unit
