"""The closed form of a swap that moves the pool equals 60-digit roots computed elsewhere, also across a tick."""

import json
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from pipeline.math.fixed_point import Q96
from pipeline.math.swap_step import amounts_between
from pipeline.math.swap_to_ratio import input_to_price, price_at_ratio
from pipeline.units import Liquidity, Pips, RawAmount, SqrtPriceX96

VECTORS = Path(__file__).parents[2].parent / "shared" / "data" / "vectors" / "quant" / "vectors.json"
UNIT = 10**24
"""Raw units in one of the vectors' tokens, many, so that whole numbers carry all their digits."""
WANTED = {"swap_ratio_sell_base", "swap_ratio_buy_base", "swap_ratio_cross_one_tick"}

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"{VECTORS} is not there")


def vectors() -> dict[str, dict[str, Any]]:
    given = json.loads(VECTORS.read_text())["vectors"] if VECTORS.exists() else []
    return {vector["id"]: vector for vector in given if vector["id"] in WANTED}


def raw(text: str) -> int:
    with localcontext(prec=80):
        return int(Decimal(text) * UNIT)


def root_x96(price: str) -> SqrtPriceX96:
    with localcontext(prec=80):
        return SqrtPriceX96(int(Decimal(price).sqrt() * Q96))


def same(got: int, text: str, scale: int = UNIT) -> bool:
    """To 20 of the vectors' 24 digits."""
    with localcontext(prec=80):
        return abs(Decimal(got) / scale / Decimal(text) - 1) < Decimal("1e-20")


def test_all_vectors_are_read() -> None:
    assert set(vectors()) == WANTED


@pytest.mark.parametrize("name", ["swap_ratio_sell_base", "swap_ratio_buy_base"])
def test_one_step(name: str) -> None:
    inputs, outputs = vectors()[name]["inputs"], vectors()[name]["outputs"]
    down = outputs["direction"] == "sell base"
    start, fee = root_x96(inputs["P"]), Pips(int(Decimal(inputs["fee"]) * 10**6))
    liquidity = Liquidity(raw(inputs["active_liquidity"]))
    end = price_at_ratio(
        start,
        (root_x96(inputs["P_lower"]), root_x96(inputs["P_upper"])),
        (RawAmount(raw(inputs["x"])), RawAmount(raw(inputs["y"]))),
        liquidity,
        fee,
        zero_for_one=down,
    )
    assert same(end, outputs["sqrtP_after"], Q96)
    assert same(input_to_price(start, end, liquidity, fee), outputs["amount_in"])
    assert same(amounts_between(start, end, liquidity)[1], outputs["amount_out"])


def test_over_a_tick() -> None:
    vector = vectors()["swap_ratio_cross_one_tick"]
    inputs, outputs = vector["inputs"], vector["outputs"]
    start, tick = root_x96(inputs["P"]), root_x96(inputs["tick_price"])
    ends = root_x96(inputs["P_lower"]), root_x96(inputs["P_upper"])
    held0, held1 = RawAmount(raw(inputs["x"])), RawAmount(raw(inputs["y"]))
    before, fee = Liquidity(raw(inputs["active_liquidity"])), Pips(3000)

    naive = price_at_ratio(start, ends, (held0, held1), before, fee, zero_for_one=True)
    assert same(naive * naive, outputs["naive_root_ignoring_tick_P"], Q96 * Q96)
    assert naive < tick

    first_in, first_out = input_to_price(start, tick, before, fee), amounts_between(start, tick, before)[1]
    assert same(first_in, outputs["amount_in_step1"])
    assert same(first_out, outputs["amount_out_step1"])
    beyond = Liquidity(before - raw(inputs["liquidity_net_at_tick"]))
    left = RawAmount(held0 - first_in), RawAmount(held1 + first_out)
    end = price_at_ratio(tick, ends, left, beyond, fee, zero_for_one=True)
    assert same(end * end, outputs["P_after"], Q96 * Q96)
    assert same(first_in + input_to_price(tick, end, beyond, fee), outputs["amount_in"])
