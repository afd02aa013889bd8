"""Volatility from a pool's prices: unbiased where the naive estimate is off by the fee band, and the same on every machine."""

import itertools
import math
import statistics

import pytest
from fee_band_world import DAY_S, pool_prices

from pipeline.errors import StatisticsError
from pipeline.statistics.bootstrap import interval_of_mean
from pipeline.statistics.clock import LogPrices, moves_at
from pipeline.statistics.fee_band import OVERSHOOT, band_widths, shown_share, true_variance
from pipeline.statistics.volatility import YEAR_S, estimate, signature

DAILY, BLOCK_S, PATHS = 0.05, 12, 16
TRUE = DAILY**2 / DAY_S
WORLDS = {0.003: 100_000, 0.0005: 12_000}
"""Fee to blocks; the band of 5 bp is crossed 36 times as often."""


@pytest.fixture(scope="module", params=WORLDS, ids=lambda fee: f"{fee * 10_000:g}bp")
def world(request):
    fee = request.param
    return fee, [
        pool_prices(seed, blocks=WORLDS[fee], fee=fee, block_s=BLOCK_S, daily=DAILY) for seed in range(PATHS)
    ]


def within_three_errors(values, expected, largest_error):
    error = statistics.stdev(values) / math.sqrt(len(values))
    assert error < largest_error * expected, "too few paths to tell"
    return abs(statistics.mean(values) - expected) < 3 * error


def test_the_estimate_is_unbiased(world):
    fee, paths = world
    found = [estimate(path, fee, BLOCK_S) for path in paths]
    variances = [(each.sigma_ppm / 1e6) ** 2 / YEAR_S for each in found]
    assert within_three_errors(variances, TRUE, 0.03)
    assert all(each.at.is_long for each in found)
    covered = sum(each.low_ppm <= 1e6 * math.sqrt(TRUE * YEAR_S) <= each.high_ppm for each in found)
    assert covered >= 12, "of 16: 95 % are expected, 12 or fewer in one of 1,000 worlds"
    assert all(each.jump_share_ppm < 80_000 for each in found)


def test_block_by_block_the_pool_shows_what_arbitrage_leaves_of_the_loss(world):
    """The table of arbitrage over LVR: 0.1025 at 30 bp, 0.4070 at 5 bp; and the series at longer strides."""
    fee, paths = world
    radius = -math.log1p(-fee)
    expected = 1 / (1 + radius / (OVERSHOOT * math.sqrt(TRUE * BLOCK_S)))
    assert expected == pytest.approx({0.003: 0.1025, 0.0005: 0.4070}[fee], abs=1e-4)
    shown = [
        math.fsum((after - before) ** 2 for before, after in itertools.pairwise(path.log)) / path.span_s
        for path in paths
    ]
    assert within_three_errors(shown, expected * TRUE, 0.01)


@pytest.mark.parametrize("u", [0.5, 1, 2, 4])
def test_at_a_stride_the_pool_shows_the_share_of_the_series(world, u):
    fee, paths = world
    radius = -math.log1p(-fee) + OVERSHOOT * math.sqrt(TRUE * BLOCK_S)
    stride_s = round(u * (2 * radius) ** 2 / TRUE / BLOCK_S) * BLOCK_S
    share = shown_share(band_widths(TRUE, stride_s, fee, BLOCK_S))
    shown = [moves_at(path, stride_s).square / stride_s for path in paths]
    assert within_three_errors(shown, share * TRUE, 0.03)
    assert share < 0.97


def test_the_share_shown_is_a_root_at_first_and_nearly_all_at_last():
    assert shown_share(0.03) == pytest.approx(shown_share(0.03 * (1 - 1e-9)), rel=1e-6)
    assert shown_share(100.0) == pytest.approx(1 - 1 / 600, rel=1e-9)
    shares = [shown_share(10 ** (n / 10)) for n in range(-40, 40)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("u", [1e-3, 0.1, 1.0, 10.0])
def test_the_correction_undoes_what_the_band_hides(u):
    stride_s = u * (2 * 0.003) ** 2 / TRUE
    shown = TRUE * shown_share(band_widths(TRUE, stride_s, 0.003, 2.0))
    assert true_variance(shown, stride_s, 0.003, 2.0) == pytest.approx(TRUE, rel=1e-12)


def test_jumps_are_told_from_the_rest():
    path = pool_prices(1, blocks=100_000, fee=0.0005, block_s=BLOCK_S, daily=DAILY, jumps=7)
    found = estimate(path, 0.0005, BLOCK_S)
    half = 1e6 * math.sqrt(TRUE * YEAR_S)
    assert found.diffusive_ppm == pytest.approx(half, rel=0.06)
    assert found.sigma_ppm == pytest.approx(half * math.sqrt(1 + 7 * DAY_S / path.span_s), rel=0.06)
    assert found.jump_share_ppm == pytest.approx(
        1e6 * (1 - (found.diffusive_ppm / found.sigma_ppm) ** 2), rel=0.05
    )


def test_the_signature_is_flat_after_the_correction():
    path = pool_prices(1, blocks=40_000, fee=0.0005, block_s=BLOCK_S, daily=DAILY)
    points = [each for each in signature(path, 0.0005, BLOCK_S) if each.stride_s < 2_000]
    true = 1e6 * math.sqrt(TRUE * YEAR_S)
    assert [each.stride_s for each in points][:3] == [12, 24, 48]
    assert points[0].shown_ppm < 0.7 * true
    assert all(each.corrected_ppm == pytest.approx(true, rel=0.05) for each in points)


def test_the_same_prices_have_the_same_estimate_everywhere():
    """To the last digit: the numbers are written here."""
    path = pool_prices(7, blocks=3_000, fee=0.0005, block_s=BLOCK_S, daily=DAILY)
    found = estimate(path, 0.0005, BLOCK_S)
    assert (found.sigma_ppm, found.low_ppm, found.high_ppm) == (1_065_258, 918_024, 1_175_988)
    assert (found.diffusive_ppm, found.jump_share_ppm, found.moves) == (1_065_258, 0, 92)


def test_prices_that_are_repeated_change_nothing():
    path = pool_prices(7, blocks=3_000, fee=0.0005, block_s=BLOCK_S, daily=DAILY)
    told = [
        (at_s, log)
        for (at_s, log), (next_s, _) in itertools.pairwise(
            [*zip(path.at_s, path.log, strict=True), (path.end_s, 0)]
        )
        for at_s in {at_s, (at_s + next_s) // 2}
    ]
    again = LogPrices([at_s for at_s, _ in sorted(told)], [log for _, log in sorted(told)], path.end_s)
    assert len(again.log) > len(path.log)
    assert estimate(again, 0.0005, BLOCK_S) == estimate(path, 0.0005, BLOCK_S)


def test_a_price_that_never_moves_has_no_volatility():
    found = estimate(LogPrices([0], [1.0], 10_000), 0.003, BLOCK_S)
    assert (found.sigma_ppm, found.low_ppm, found.high_ppm, found.jump_share_ppm) == (0, 0, 0, 0)
    assert not found.at.is_long


def test_too_short_a_time_is_refused():
    with pytest.raises(StatisticsError, match="250 s of prices are too few: 20 moves of 12 s"):
        estimate(LogPrices([0], [1.0], 250), 0.003, BLOCK_S)


def test_an_interval_holds_the_mean_and_grows_where_neighbours_are_alike():
    apart = [float(n % 2) for n in range(400)]
    together = [float(n // 20 % 2) for n in range(400)]
    low, high = interval_of_mean(apart)
    assert low <= 0.5 <= high
    wide_low, wide_high = interval_of_mean(together)
    assert wide_high - wide_low > 3 * (high - low)
    assert interval_of_mean([2.0] * 30) == (2.0, 2.0)
