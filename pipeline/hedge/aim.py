"""Compute the hedge ratio and the band of a hedge at a block, from the policy's numbers or its laws.

A policy says both by numbers, or leaves them to laws. What the laws give in real numbers is rounded to a grid before it decides: ratios to
whole percent, edges of a band to basis points of all base.
"""

from typing import NamedTuple

import msgspec

from pipeline.book.inventory import WHOLE_BPS
from pipeline.hedge.liquidation import DebtPosition, Horizon, largest_ratio_bps
from pipeline.hedge.no_trade_band import no_trade_band
from pipeline.messages.base import Price
from pipeline.messages.hedge import AutoRatio, LawBand
from pipeline.statistics.volatility import PPM, YEAR_S
from pipeline.units import Bps, RawAmount

_RATIO_STEP_BPS = 100
_LEAST_ACT_BPS = 50
"""The least edge of a derived band: out of range the gamma is 0, and the formula would act on any deviation, such as the interest of each block."""
_PIPS = 1_000_000
_PERMILLE = 1_000


class HedgeAim(msgspec.Struct, frozen=True, kw_only=True):
    """The target ratio and band of a hedge. Edges are shares of all base that the book has."""

    ratio_bps: Bps
    act_at_bps: Bps
    back_to_bps: Bps


class Security(NamedTuple):
    """The security of a short of the base. Amounts are raw."""

    own_quote: RawAmount
    """The value of what is collateral or could become it, less the proceeds of the sold debt, which may be placed elsewhere."""
    counts_bps: Bps
    """The share of it that counts against liquidation."""
    hedged_base: RawAmount
    """The amount of base that a ratio of 1 borrows."""
    largest_debt: RawAmount | None = None


def safe_ratio_bps(auto: AutoRatio, sigma_ppm: int, behind: Security, price: Price) -> Bps:
    """Find the largest ratio with a probability of liquidation within the horizon of at most alpha. Rounds: down to whole percent.

    Everything that may become collateral counts as such, for it is supplied before a liquidation comes. Nothing is traded until then.
    """
    counted = behind.own_quote * behind.counts_bps / WHOLE_BPS

    def position_at(ratio_bps: int) -> DebtPosition:
        debt = behind.hedged_base * ratio_bps // WHOLE_BPS
        return DebtPosition(
            0.0, counted, float(debt if behind.largest_debt is None else min(debt, behind.largest_debt)), 0.0
        )

    horizon = Horizon(sigma_ppm / PPM, auto.horizon_s / YEAR_S)
    found = largest_ratio_bps(position_at, auto.alpha_bps, price.numerator / price.denominator, horizon)
    return Bps(found // _RATIO_STEP_BPS * _RATIO_STEP_BPS)


class BandInputs(NamedTuple):
    """The inputs of the derived band: a book's gamma, value and base, and the cost of a step. Units: whole tokens."""

    price: float
    gamma: float
    value: float
    """The book's value in quote."""
    base: float
    """The book's whole base, with the debt added."""
    step_cost: float


def law_band_bps(law: LawBand, book: BandInputs, fee_pips: int) -> tuple[Bps, Bps]:
    """Compute by the law where to act and how far to trade back, as shares of all base. Rounds: down; act at 0.5 % at least, and back below it.

    A book that is worth nothing, or has no base, has the least band.
    """
    if min(book.value, book.base, book.price) <= 0:
        return Bps(_LEAST_ACT_BPS), Bps(0)
    lam = fee_pips / _PIPS if law.trade_cost_bps is None else law.trade_cost_bps / WHOLE_BPS
    averse = law.risk_aversion_permille / _PERMILLE / book.value
    band = no_trade_band(book.price, book.gamma, averse, book.step_cost, lam)
    act = max(_share_bps(band.act_at, book.base), _LEAST_ACT_BPS)
    return Bps(act), Bps(min(_share_bps(band.back_to, book.base), act - 1))


def _share_bps(part: float, whole: float) -> int:
    return int(min(part / whole, 1.0) * WHOLE_BPS)
