"""`curve` and `volatility` on a real broker: a committed book, and pools with published swaps."""

import math
import random

import pytest
from builders import POOL as TOY_POOL
from builders import policy
from cli_desk import POOL, block
from msgspec.structs import replace

from pipeline.keys import pool as pool_key
from pipeline.messages.base import Cause
from pipeline.messages.prices import PriceHistory
from pipeline.messages.views import Rewound
from pipeline.venues.uniswap_v3.forms.entries import Pool
from pipeline.venues.uniswap_v3.forms.views import PoolView, SwapSeen
from streams.kafka.codec import encode
from streams.kafka.topics import POOL_STATES, SWAPS

pytestmark = pytest.mark.kafka


def test_a_books_curve_has_the_stocks_value_at_the_price_of_now(kept, desk):
    shown = desk.run("curve", "book/alpha", "--json").objects
    now = [each for each in shown if each["held"] == pytest.approx(each["value"], rel=1e-12)]
    assert kept.stock.value_quote / 1e6 == pytest.approx(now[0]["value"], rel=1e-12)
    assert min(each["gamma"] for each in shown) < 0
    edges = [price * 10**12 for price in (1.0001**-300, 1.0001**200)]
    assert all(any(each["price"] == pytest.approx(edge) for each in shown) for edge in edges)
    told = desk.run("curve", "book/alpa")
    assert (told.code, told.err) == (
        1,
        "error: there is no book alpa; did you mean alpha?\n",
    )


def test_volatility_is_taken_from_the_pool_of_the_pair_with_the_smallest_fee(kept, desk):
    """Both pools' swaps are on swaps.v1; of the cheaper one a branch went away."""
    cheap = replace(kept.shard.tables.need(pool_key(TOY_POOL), Pool), fee_pips=100)
    of = {"because_of": Cause(shard=0, offset=1, block=block(1)), "id": "view"}
    views = [
        PoolView(**of, pool=TOY_POOL, state=replace(cheap, fee_pips=3_000)),
        PoolView(**of, pool=POOL, state=cheap),
    ]
    walk = random.Random(1)
    records, price = [], 2.0**96
    for number in range(12, 3_600, 12):
        price *= math.exp(walk.gauss(0, 0.0005))
        records += [(SWAPS.name, pool, encode(swap(pool, number, int(price)))) for pool in (POOL, TOY_POOL)]
    gone = [
        (SWAPS.name, POOL, encode(swap(POOL, 3_600, 2**100))),
        (SWAPS.name, POOL, encode(Rewound(**of, to=block(3_599)))),
    ]
    desk.commit(0, *records, *gone, *((POOL_STATES.name, view.key, encode(view)) for view in views))
    told = desk.run("volatility", TOY_POOL, "--json")
    assert told.code == 0, told.err
    assert f"taken from {POOL}, whose fee is the smallest of the pair's: 0.01%, not 0.3%" in told.err
    assert 1.4 < int(told.objects[0]["sigma_ppm"]) / 1e6 < 1.85, "0.1 % per 12 s is 1.62 per year"
    assert "0xe1e1…e1e1 (0.01%)" in desk.run("volatility", POOL).out
    assert "no swaps of a pool 0xab were published" in desk.run("volatility", "0xab").err


def test_volatility_is_taken_from_a_shards_state_where_that_reaches_further_back(kept, desk):
    kept.watcher.set_policy(policy(price_history=PriceHistory(every_s=24, slots=40)))
    for _ in range(90):
        kept.watcher.block()
    kept.append()
    kept.commit()
    of = {"because_of": Cause(shard=0, offset=1, block=block(1)), "id": "view"}
    view = PoolView(**of, pool=TOY_POOL, state=kept.shard.tables.need(pool_key(TOY_POOL), Pool))
    newest = swap(TOY_POOL, kept.watcher.chain.head.timestamp_s, 2**96)
    desk.commit(0, (SWAPS.name, TOY_POOL, encode(newest)), (POOL_STATES.name, view.key, encode(view)))
    told = desk.run("volatility", TOY_POOL)
    assert told.code == 0, told.err
    assert "from the prices that its shard keeps, one every 24s" in told.err
    (estimate,) = desk.run("volatility", TOY_POOL, "--json").objects
    assert int(estimate["at"]["stride_s"]) >= 24
    assert int(estimate["moves"]) >= 20


def swap(pool: str, number: int, price_x96: int) -> SwapSeen:
    return SwapSeen(
        id=f"swap.{number}",
        because_of=Cause(shard=0, offset=number, block=block(number)),
        pool=pool,
        log_index=0,
        transaction_hash="0x" + "ab" * 32,
        amount0_delta=1,
        amount1_delta=-1,
        sqrt_price_x96=price_x96,
        liquidity=1,
        tick=0,
    )
