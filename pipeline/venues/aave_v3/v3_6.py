"""The rules of Aave V3.6: displayed amounts round in favour of the protocol.

Source: TokenMath, MathUtils, ScaledBalanceTokenBase, BorrowLogic, GenericLogic of @aave-dao/aave-v3-origin 3.6.0
"""

from collections.abc import Iterable

from pipeline.units import Address, Bps, RawAmount, Seconds
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3.interest import compounded_continuously
from pipeline.venues.aave_v3.one_word_calls import VIRTUAL_BALANCE, about
from pipeline.venues.aave_v3.rays import (
    PERCENT,
    mul_div_ceil,
    percent_mul_floor,
    ray_div_ceil,
    ray_div_floor,
    ray_mul_ceil,
    ray_mul_floor,
    wad_div,
)
from pipeline.venues.aave_v3.rules import (
    NO_DEBT_HEALTH,
    AccountData,
    CollateralTerms,
    EmodeTerms,
    ReserveHolding,
    displayed_after,
    weigh,
    weighted_mean,
)
from pipeline.venues.block_call import BlockCall


def compounded(rate_ray: int, elapsed_s: Seconds, /) -> int:
    """Compute by what a debt has grown."""
    return compounded_continuously(rate_ray, elapsed_s)


def collateral_balance(scaled: int, index_ray: int, /) -> RawAmount:
    """Display an aToken balance. Rounds: down."""
    return RawAmount(ray_mul_floor(scaled, index_ray))


def debt_balance(scaled: int, index_ray: int, /) -> RawAmount:
    """Display a balance of the variable debt token. Rounds: up."""
    return RawAmount(ray_mul_ceil(scaled, index_ray))


def collateral_after(scaled: int, change: int, index_ray: int, /) -> int:
    """Return the scaled aToken balance after a log: the only one that displays as the log says."""
    return ray_div_ceil(displayed_after(ray_mul_floor(scaled, index_ray), change), index_ray)


def debt_after(scaled: int, change: int, index_ray: int, /) -> int:
    """Return the scaled debt after a log: the only one that displays as the log says."""
    return ray_div_floor(displayed_after(ray_mul_ceil(scaled, index_ray), change), index_ray)


def still_borrowing(scaled: int, change: int, index_ray: int, /) -> bool:
    """Return whether the flag is set: it is while anything scaled is left."""
    return debt_after(scaled, change, index_ray) != 0


def terms(configuration: int, reserve_id: int, emode: EmodeTerms | None, /) -> CollateralTerms | None:
    """Return what a reserve counts for: as the category has it where its map has the reserve."""
    if emode is None or not emode.collateral_map >> reserve_id & 1:
        return CollateralTerms(bits.ltv_bps(configuration), bits.threshold_bps(configuration))
    if emode.ltv_zero_map >> reserve_id & 1:
        return CollateralTerms(Bps(0), emode.threshold_bps)
    return CollateralTerms(emode.ltv_bps, emode.threshold_bps)


def free_call(pool: Address, asset: Address, a_token: Address, /) -> BlockCall:
    """Ask for what the pool has written down for the asset; what was merely sent to its aToken is not in it."""
    del a_token
    return about(pool, VIRTUAL_BALANCE, asset)


def account_data(holdings: Iterable[ReserveHolding], /) -> AccountData:
    """Add an account up. Rounds: a collateral's value down, a debt's up, the health factor down once."""
    collateral, debt, weighted_ltv, weighted_threshold = weigh(holdings, _debt_value)
    ltv_bps = weighted_mean(weighted_ltv, collateral)
    return AccountData(
        collateral_base=collateral,
        debt_base=debt,
        available_base=max(percent_mul_floor(collateral, ltv_bps) - debt, 0),
        threshold_bps=weighted_mean(weighted_threshold, collateral),
        ltv_bps=ltv_bps,
        health_wad=wad_div(weighted_threshold, debt) // PERCENT if debt else NO_DEBT_HEALTH,
    )


def _debt_value(held: ReserveHolding) -> int:
    return mul_div_ceil(held.debt, held.price, held.unit)
