"""Quotes of a mainnet pool with all its ticks equal the quoter's on the chain, from one unit to more than the pool holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from v3_pools import POOL, START_S, swapped, unpriced

from pipeline.units import GrowthX128, Liquidity, RawAmount, Tick
from pipeline.venues.uniswap_v3 import LivePool, quote
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, TickInfo

TESTS = Path(__file__).parents[2].parent / "shared" / "data" / "vectors" / "degenbot" / "tests"
STATE = TESTS / "fixtures/chain_data/1/uniswap_v3_wbtc_weth_block_24407242.json"
PARITY = TESTS / "golden/data/tests/uniswap/v3/test_uniswap_v3_onchain_parity"
ANSWERS = PARITY / "test_cached_calculations_v3_wbtc_weth.json"


def answers() -> dict[str, dict[str, Any]]:
    return json.loads(ANSWERS.read_text())["entries"] if ANSWERS.exists() else {}


pytestmark = pytest.mark.skipif(not answers(), reason=f"{ANSWERS} is not there")


@pytest.fixture(scope="module")
def pool() -> LivePool:
    state = json.loads(STATE.read_text())
    scalars = state["scalars"]
    ticks = {
        Tick(int(tick)): TickInfo(
            liquidity_gross=Liquidity(int(gross)),
            liquidity_net=Liquidity(int(net)),
            outside0_x128=GrowthX128(0),
            outside1_x128=GrowthX128(0),
        )
        for tick, (gross, net, _) in state["tick_data"].items()
    }
    slot = OracleSlot(timestamp_s=1, tick_cumulative=0, seconds_per_liquidity_x128=0, initialized=True)
    priced = unpriced(
        scalars["fee"],
        scalars["tick_spacing"],
        sqrt_price_x96=int(scalars["sqrt_price_x96"]),
        tick=scalars["tick"],
        liquidity=int(scalars["liquidity"]),
        observation_cardinality=1,
        observation_cardinality_next=1,
    )
    return LivePool.of(POOL, priced, ticks, {0: slot}, {})


def test_all_answers_are_read() -> None:
    assert len(answers()) == 80


@pytest.mark.parametrize("question", answers())
def test_quote(pool: LivePool, question: str) -> None:
    _, kind, direction, amount = question.split("|")
    down = direction == "WBTC->WETH"
    exact_input = kind == "quoteExactInputSingle"
    quoted = quote(pool, RawAmount(int(amount) * (1 if exact_input else -1)), zero_for_one=down)
    received, paid = quoted.amount0_delta, -quoted.amount1_delta
    if not down:
        received, paid = quoted.amount1_delta, -quoted.amount0_delta
    assert (paid if exact_input else received) == answers()[question]["value"]

    replayed = LivePool.of(POOL, pool.pool(), pool.ticks, pool.observations, {})
    replayed.apply(swapped(quoted), START_S)
    assert (replayed.tick, replayed.liquidity) == (quoted.tick, quoted.liquidity)
