"""The swap cases of Uniswap's own test suite: amounts, tick, price and fee growth, forward and replayed."""

import gzip
import json
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import pytest
from v3_pools import START_S, begun, minted, swapped

from pipeline.errors import OutOfRangeError
from pipeline.units import RawAmount, SqrtPriceX96
from pipeline.venues.uniswap_v3 import LivePool, quote

VECTORS = Path(__file__).parents[2].parent / "shared" / "data" / "vectors" / "v3core-swap-cases.json.gz"
FIVE_DIGITS = Context(prec=5, rounding=ROUND_HALF_UP)


def vectors() -> dict[str, Any]:
    return (
        json.loads(gzip.decompress(VECTORS.read_bytes())) if VECTORS.exists() else {"pools": [], "cases": []}
    )


POOLS = {pool["description"]: pool for pool in vectors()["pools"]}
CASES = vectors()["cases"]

pytestmark = pytest.mark.skipif(not CASES, reason=f"{VECTORS} is not there")


def filled(description: str) -> LivePool:
    pool = POOLS[description]
    live = begun(int(pool["sqrtPriceX96"]), fee_pips=pool["fee"], tick_spacing=pool["tickSpacing"])
    for position in pool["positions"]:
        minted(live, position["tickLower"], position["tickUpper"], int(position["liquidity"]))
    return live


def test_all_cases_are_read() -> None:
    assert len(CASES) == 240
    assert sum("swapError" in case["expected"] for case in CASES) == 50


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['pool']}: {case['swap']}")
def test_swap(case: dict[str, Any]) -> None:
    live = filled(case["pool"])
    expected = case["expected"]
    limit = case["sqrtPriceLimitX96"]
    arguments = {
        "zero_for_one": case["zeroForOne"],
        "limit_x96": SqrtPriceX96(int(limit)) if limit else None,
    }
    amount = RawAmount(int(case["amountSpecified"]))
    if "swapError" in expected:
        with pytest.raises(OutOfRangeError, match="limit"):
            quote(live, amount, **arguments)
        return

    quoted = quote(live, amount, **arguments)
    assert quoted.amount0_delta == int(expected["amount0Delta"])
    assert quoted.amount1_delta == int(expected["amount1Delta"])
    assert quoted.tick == expected["tickAfter"]
    price = FIVE_DIGITS.create_decimal(Decimal(quoted.sqrt_price_x96) ** 2 / Decimal(2**192))
    assert price == Decimal(expected["poolPriceAfter"])

    if not quoted.amount0_delta and not quoted.amount1_delta and quoted.sqrt_price_x96 == live.sqrt_price_x96:
        pytest.fail("a swap that moves nothing cannot be replayed")
    live.apply(swapped(quoted), START_S + 12)
    assert live.growth0_x128 == int(expected["feeGrowthGlobal0X128Delta"])
    assert live.growth1_x128 == int(expected["feeGrowthGlobal1X128Delta"])
    assert (live.tick, live.sqrt_price_x96) == (quoted.tick, quoted.sqrt_price_x96)
