"""A day of Aave V3 on Polygon, two reserves: every log decodes, and each index follows from the one before it."""

import ast
import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.messages.base import RawLog
from pipeline.units import Address, Hash, LogIndex, Seconds
from pipeline.venues.aave_v3 import logs, v3_0
from pipeline.venues.aave_v3.interest import linear
from pipeline.venues.aave_v3.logs import ReserveMoved
from pipeline.venues.aave_v3.rays import ray_mul

DAY = Path(__file__).parents[2].parent / "shared" / "data" / "mainnet-2024-01-05"
POOL = Address("0x794a61358d6845594f94dc1db02a252b5b4814ad")
USDC, WETH = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174", "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619"

pytestmark = pytest.mark.skipif(not DAY.exists(), reason=f"{DAY} is not there")


def logs_of(asset: str) -> Iterator[tuple[Seconds, RawLog]]:
    """(timestamp, log) in order."""
    (path,) = DAY.glob(f"polygon-aave_v3-{asset}*raw.csv.gz")
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["block_timestamp"]).replace(tzinfo=UTC)
            yield (
                Seconds(int(at.timestamp())),
                RawLog(
                    address=POOL,
                    topics=tuple(ast.literal_eval(row["topics"])),
                    data=row["data"],
                    log_index=LogIndex(int(row["log_index"])),
                    transaction_hash=Hash(row["transaction_hash"]),
                    transaction_index=int(row["transaction_index"]),
                ),
            )


def _is_of_a_user(log: RawLog, after: RawLog | None) -> bool:
    if after is None or after.transaction_hash != log.transaction_hash:
        return False
    return after.topics[0] != logs.RESERVE_DATA_UPDATED


@pytest.mark.parametrize("asset", [USDC, WETH])
def test_each_index_follows_from_the_last_action_to_the_last_digit(asset: str) -> None:
    """The debts' always; the suppliers' but where a flash loan raises it at once by its premium.

    Of the logs behind an update the day has those of supplies, withdrawals, borrows and repays only: what has none is the rest.
    """
    of_day = list(logs_of(asset))
    behind = [log for _, log in of_day[1:]] + [None]
    moved = [
        (at_s, _is_of_a_user(log, after), fact)
        for (at_s, log), after in zip(of_day, behind, strict=True)
        if isinstance(fact := logs.decode_pool_log(log), ReserveMoved) and fact.asset == asset
    ]
    assert len(moved) > 400
    raised = 0
    for (before_s, _, before), (now_s, is_of_a_user, now) in pairwise(moved):
        grown = v3_0.compounded(before.borrow_rate_ray, Seconds(now_s - before_s))
        assert now.borrow_index_ray == ray_mul(grown, before.borrow_index_ray)
        earned = ray_mul(
            linear(before.liquidity_rate_ray, Seconds(now_s - before_s)), before.liquidity_index_ray
        )
        assert now.liquidity_index_ray == earned or (not is_of_a_user and now.liquidity_index_ray > earned)
        raised += now.liquidity_index_ray > earned
    assert 0 < raised < len(moved) / 3
