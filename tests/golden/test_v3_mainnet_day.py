"""A whole day of two mainnet pools, replayed from their logs: amounts, liquidity and ticks agree."""

import ast
import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from v3_pools import unpriced

from pipeline.errors import PoolDriftedError
from pipeline.messages.base import RawLog
from pipeline.units import Address, GrowthX128, Hash, Liquidity, LogIndex, Tick
from pipeline.venues.uniswap_v3 import LivePool, decode_pool_log
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, TickInfo
from pipeline.venues.uniswap_v3.forms.facts import Burned, Collected, Minted, PoolFact, Swapped

DAY = Path(__file__).parents[2].parent / "shared" / "data" / "mainnet-2024-01-05"

pytestmark = pytest.mark.skipif(not DAY.exists(), reason=f"{DAY} is not there")


def logs_of(pool: str) -> Iterator[tuple[int, int, RawLog]]:
    """(block, timestamp, log) in order."""
    (path,) = DAY.glob(f"ethereum-{pool}*raw.csv.gz")
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["block_timestamp"]).replace(tzinfo=UTC)
            log = RawLog(
                address=Address(path.name.split("-")[1]),
                topics=tuple(ast.literal_eval(row["topics"])),
                data=row["data"],
                log_index=LogIndex(int(row["log_index"])),
                transaction_hash=Hash(row["transaction_hash"]),
                transaction_index=int(row["transaction_index"]),
            )
            yield int(row["block_number"]), int(at.timestamp()), log


def start_of(pool: str, fee_pips: int, tick_spacing: int) -> tuple[dict[str, Any], LivePool]:
    """The pool right after its first swap of the day. Growth counts from 0, gross liquidity is as little as the net allows."""
    (path,) = DAY.glob(f"derived_start_state_{pool}*.json")
    start = json.loads(path.read_text())
    state = start["state"]
    pool_then = unpriced(
        fee_pips,
        tick_spacing,
        sqrt_price_x96=int(state["sqrtPriceX96"]),
        tick=state["tick"],
        liquidity=int(state["liquidity"]),
        observation_cardinality=1,
        observation_cardinality_next=1,
    )
    ticks = {Tick(int(tick)): tick_with(int(net), abs(int(net))) for tick, net in start["base_ticks"].items()}
    slot = OracleSlot(timestamp_s=1, tick_cumulative=0, seconds_per_liquidity_x128=0, initialized=True)
    return state, LivePool.of(Address(pool), pool_then, ticks, {0: slot}, {})


def tick_with(net: int, gross: int) -> TickInfo:
    return TickInfo(
        liquidity_gross=Liquidity(gross),
        liquidity_net=Liquidity(net),
        outside0_x128=GrowthX128(0),
        outside1_x128=GrowthX128(0),
    )


def facts_after(pool: str, start: dict[str, Any]) -> Iterator[tuple[int, int, PoolFact]]:
    for block, timestamp_s, log in logs_of(pool):
        fact = decode_pool_log(log)
        if (block, log.log_index) > (start["block"], start["log_index"]) and fact is not None:
            yield block, timestamp_s, fact


def let_burn(live: LivePool, fact: PoolFact) -> None:
    """Give a burn's ticks a gross liquidity that the burn leaves at the least that their net allows."""
    if isinstance(fact, Burned) and fact.liquidity:
        for tick, net_delta in ((fact.tick_lower, -fact.liquidity), (fact.tick_upper, fact.liquidity)):
            net = live.ticks[tick].liquidity_net if tick in live.ticks else 0
            live.put_tick(tick, tick_with(net, gross=fact.liquidity + abs(net + net_delta)))


def copy_of(live: LivePool, **moved: int) -> LivePool:
    """A pool built again from entries, moved to where a log says it is."""
    names = live.pool().__struct_fields__
    pool = unpriced(**{name: moved.get(name, getattr(live.pool(), name)) for name in names})
    return LivePool.of(live.address, pool, live.ticks, live.observations, live.positions)


def test_0x8ad5_replays_exactly() -> None:
    pool = "0x8ad599c3a0ff1de082011efddc58f1908eb6e6d8"
    start, live = start_of("0x8ad5", 3000, 60)
    replayed: Counter[type[PoolFact]] = Counter()
    for _, timestamp_s, fact in facts_after(pool, start):
        let_burn(live, fact)
        live.apply(fact, timestamp_s)
        replayed[type(fact)] += 1
    assert replayed == {Swapped: 266, Minted: 4, Burned: 17, Collected: 16}
    assert live.growth0_x128 > 0
    assert live.growth1_x128 > 0


def test_0x88e6_replays_exactly_but_where_the_start_is_not_known() -> None:
    pool = "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"
    start, live = start_of("0x88e6", 500, 10)
    swaps, drifted_at = 0, []
    for block, timestamp_s, fact in facts_after(pool, start):
        let_burn(live, fact)
        before = copy_of(live)
        swaps += isinstance(fact, Swapped)
        try:
            live.apply(fact, timestamp_s)
        except PoolDriftedError:
            assert isinstance(fact, Swapped)
            drifted_at.append(block)
            live = copy_of(
                before, sqrt_price_x96=fact.sqrt_price_x96, tick=fact.tick, liquidity=fact.liquidity
            )
    assert swaps == 6045
    assert len(drifted_at) == 6
    assert 18942403 <= min(drifted_at) <= max(drifted_at) <= 18942442


def test_every_log_of_the_day_is_of_its_pool_or_of_another_kind() -> None:
    kinds = [
        type(decode_pool_log(log)).__name__
        for _, _, log in logs_of("0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640")
    ]
    assert kinds.count("Swapped") == 6046
    assert "NoneType" not in kinds
