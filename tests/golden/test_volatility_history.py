"""Volatility of a real pool, WBTC/WETH 0.3 %: samples per block show half of it, and the estimate equals that of slow samples."""

import itertools
import math
from pathlib import Path

import pytest
from r_data import read_frame

from pipeline.statistics.clock import LogPrices, moves_at
from pipeline.statistics.volatility import YEAR_S, estimate

HISTORY = Path(__file__).parents[2].parent / "shared/data/history/wbtc-weth-3000/ethwbtc_trade_history.rda"
FEE = 0.003
PERIODS = {
    "2021-11 to the merge": (13_527_859, 15_537_393, 13.68, 0.205, 0.42),
    "the merge to 2023-04": (15_537_393, 16_999_766, 12.05, 0.125, 0.28),
}
"""First block, block after the last, seconds per block, volatility by block and by half days."""

pytestmark = pytest.mark.skipif(not HISTORY.exists(), reason=f"{HISTORY} is not there")


@pytest.fixture(scope="module")
def swaps():
    frame = read_frame(HISTORY)
    return dict(zip(frame["block_number"], frame["tick"], strict=True))  # the last one of each block


@pytest.mark.parametrize("period", PERIODS)
def test_the_estimate_is_that_of_a_slow_clock(swaps, period):
    begin, end, block_s, by_block, by_half_day = PERIODS[period]
    blocks = [block for block in swaps if begin <= block < end]
    logs = [swaps[block] * math.log(1.0001) for block in blocks]
    prices = LogPrices(
        [round((block - begin) * block_s) for block in blocks], logs, round((end - begin) * block_s)
    )
    naive = math.fsum((after - before) ** 2 for before, after in itertools.pairwise(logs)) / prices.span_s
    assert math.sqrt(naive * YEAR_S) == pytest.approx(by_block, rel=0.03)
    found = estimate(prices, FEE, block_s)
    assert found.at.is_long
    for hours in (12, 24, 48):
        slow = math.sqrt(moves_at(prices, hours * 3_600).square / (hours * 3_600) * YEAR_S)
        assert slow == pytest.approx(by_half_day, rel=0.05)
        assert found.low_ppm <= 1e6 * slow <= found.high_ppm
    assert 1e6 * math.sqrt(naive * YEAR_S) < found.low_ppm * 0.7
