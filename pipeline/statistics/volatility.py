"""Estimate the volatility of a market from the prices of a pool with a fee.

1. The price is sampled at clocks of a stride, and of twice, four times, ... that stride (`clock.py`).
2. The variance that shows at each stride is corrected for the fee band (`fee_band.py`).
3. The shortest stride that is long against the band is the estimate's: little to correct, and many moves.
4. Of its moves, what neighbours do not share is jumps; and their spread is the estimate's interval (`bootstrap.py`).
"""

import math
from collections.abc import Iterator

import msgspec

from pipeline.errors import StatisticsError
from pipeline.statistics.bootstrap import interval_of_mean
from pipeline.statistics.clock import LogPrices, Moves, intervals, moves_at
from pipeline.statistics.fee_band import band_widths, true_variance

YEAR_S = 31_557_600
PPM = 1_000_000
"""The grid: whatever is returned is a whole number of millionths."""
LONG_ENOUGH = 4.0
"""Band widths squared: less than a tenth of the variance is then hidden."""
FEWEST_MOVES = 20


class AtStride(msgspec.Struct, frozen=True, kw_only=True):
    """The volatility at one stride. Units: millionths per square root of a year."""

    stride_s: int
    shown_ppm: int
    """The volatility of the samples."""
    corrected_ppm: int
    """The volatility with the part that the fee band hides."""
    is_long: bool
    """The moves are large against the fee band, so the correction is small."""


class Volatility(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate of volatility. Units: millionths per square root of a year."""

    sigma_ppm: int
    low_ppm: int
    high_ppm: int
    """The upper end of the 95 % confidence interval."""
    diffusive_ppm: int
    """The volatility without jumps."""
    jump_share_ppm: int
    """The jumps' share of the variance."""
    moves: int
    """The number of intervals of the stride."""
    at: AtStride


def calibrated(prices: LogPrices, fee: float, block_s: float) -> AtStride:
    """Measure a market's volatility by the shortest stride that is long against the band, without an interval.

    Raises: StatisticsError if the prices span less than 20 times the shortest stride.
    """
    return _calibrated(prices, fee, block_s)[1]


def estimate(prices: LogPrices, fee: float, block_s: float) -> Volatility:
    """Estimate a market's volatility from a pool's prices.

    Rounds: to the grid, half to even.
    Raises: StatisticsError if the prices span less than 20 times the shortest stride, or the fee is none.
    """
    moves, at = _calibrated(prices, fee, block_s)
    low, high = interval_of_mean(moves.squares)
    bipower = min(moves.bipower, moves.square)
    return Volatility(
        sigma_ppm=at.corrected_ppm,
        low_ppm=_sigma_ppm(low, moves.stride_s, fee, block_s),
        high_ppm=_sigma_ppm(high, moves.stride_s, fee, block_s),
        diffusive_ppm=_sigma_ppm(bipower, moves.stride_s, fee, block_s),
        jump_share_ppm=round(PPM * (1 - bipower / moves.square)) if moves.square else 0,
        moves=len(moves.squares),
        at=at,
    )


def signature(prices: LogPrices, fee: float, block_s: float) -> list[AtStride]:
    """Measure the volatility at every stride from one block, or one price, on, before and after the correction: the signature plot."""
    return [_at(moves_at(prices, stride_s), fee, block_s) for stride_s in _strides(prices, block_s)]


def _calibrated(prices: LogPrices, fee: float, block_s: float) -> tuple[Moves, AtStride]:
    seen = [(moves, _at(moves, fee, block_s)) for moves in _from_the_longest(prices, fee, block_s)]
    if not seen:
        raise StatisticsError(
            f"{prices.span_s} s of prices are too few: {FEWEST_MOVES} moves of {_shortest_s(prices, block_s)} s are needed"
        )
    long_ones = [each for each in seen if each[1].is_long]
    return min(long_ones, key=lambda each: each[1].stride_s) if long_ones else seen[0]


def _shortest_s(prices: LogPrices, block_s: float) -> int:
    return max(prices.every_s, round(block_s))


def _strides(prices: LogPrices, block_s: float) -> list[int]:
    strides = (_shortest_s(prices, block_s) << doubled for doubled in range(64))
    return [stride_s for stride_s in strides if intervals(prices, stride_s) >= FEWEST_MOVES]


def _from_the_longest(prices: LogPrices, fee: float, block_s: float) -> Iterator[Moves]:
    """Measure ever shorter strides, to the first that is short against the band."""
    for stride_s in reversed(_strides(prices, block_s)):
        moves = moves_at(prices, stride_s)
        yield moves
        if not _at(moves, fee, block_s).is_long:
            return


def _at(moves: Moves, fee: float, block_s: float) -> AtStride:
    shown = moves.square / moves.stride_s
    corrected = true_variance(shown, moves.stride_s, fee, block_s)
    return AtStride(
        stride_s=moves.stride_s,
        shown_ppm=round(PPM * math.sqrt(shown * YEAR_S)),
        corrected_ppm=round(PPM * math.sqrt(corrected * YEAR_S)),
        is_long=band_widths(corrected, moves.stride_s, fee, block_s) >= LONG_ENOUGH,
    )


def _sigma_ppm(square: float, stride_s: int, fee: float, block_s: float) -> int:
    return round(PPM * math.sqrt(true_variance(square / stride_s, stride_s, fee, block_s) * YEAR_S))
