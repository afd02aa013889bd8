"""The prices of pools from published swaps and from files."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from builders import OTHER_POOL, POOL

from pipeline.errors import SettingsError
from pipeline.math.fixed_point import Q96
from pipeline.messages.base import BlockRef, Cause
from pipeline.messages.views import Rewound
from pipeline.venues.uniswap_v3.forms.views import SwapSeen
from streams.kafka.codec import encode
from streams.kafka.readers import Record
from streams.pool_prices import fold_swaps, parse_prices


def cause(number: int) -> Cause:
    ref = BlockRef(
        number=number, hash=f"0x{number:064x}", parent_hash=f"0x{number - 1:064x}", timestamp_s=12 * number
    )
    return Cause(shard=0, offset=number, block=ref)


def swap(number: int, price: float, pool: str = POOL, log_index: int = 0) -> SwapSeen:
    return SwapSeen(
        id=f"swap.0.{number}.{log_index:x}",
        because_of=cause(number),
        pool=pool,
        log_index=log_index,
        transaction_hash="0x" + "ab" * 32,
        amount0_delta=1,
        amount1_delta=-1,
        sqrt_price_x96=int(math.sqrt(price) * Q96),
        liquidity=1,
        tick=0,
    )


def rewound(to: int) -> Rewound:
    return Rewound(id=f"rewound.0.{to}.a", because_of=cause(to), to=cause(to).block)


def folded(*told: object):
    async def records() -> AsyncIterator[Record]:
        for offset, each in enumerate(told):
            yield Record("swaps.v1", 0, offset, b"", each if isinstance(each, bytes) else encode(each), 0)

    found = asyncio.run(fold_swaps(records()))
    return {pool: (each.at_s, [round(math.exp(log), 9) for log in each.logs]) for pool, each in found.items()}


def test_the_last_swap_of_a_block_is_its_price():
    assert folded(swap(1, 2.0), swap(1, 3.0, log_index=1), swap(5, 4.0)) == {POOL: ([12, 60], [3.0, 4.0])}


def test_each_pool_has_prices_of_its_own():
    assert folded(swap(1, 2.0), swap(1, 9.0, OTHER_POOL)) == {POOL: ([12], [2.0]), OTHER_POOL: ([12], [9.0])}


def test_what_went_away_with_a_branch_is_no_price():
    told = [swap(1, 2.0), swap(2, 3.0), swap(3, 4.0), swap(3, 7.0, OTHER_POOL), rewound(1), swap(2, 5.0)]
    assert folded(*told) == {POOL: ([12, 24], [2.0, 5.0]), OTHER_POOL: ([], [])}


def test_bytes_that_are_no_message_are_passed_over():
    assert folded(swap(1, 2.0), b"{", b"", swap(2, 3.0)) == {POOL: ([12, 24], [2.0, 3.0])}


def test_a_file_is_read():
    prices = parse_prices("time_s,price\n10,1\n10,2\n40,2.5\n", "p.csv")
    assert (prices.at_s, prices.end_s, prices.span_s) == ([10, 10, 40], 40, 30)
    assert prices.log == [0.0, math.log(2), math.log(2.5)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "p.csv:1: the first line must be time_s,price"),
        ("time,price\n", "p.csv:1: the first line must be time_s,price"),
        ("time_s,price\n", "p.csv: has no prices"),
        ("time_s,price\n1\n", "p.csv:2: must be a time in whole seconds and a price"),
        ("time_s,price\n1.5,2\n", "p.csv:2: must be a time"),
        ("time_s,price\n1,2\n2,0\n", "p.csv:3: the price 0.0 is not positive"),
        ("time_s,price\n1,nan\n", "p.csv:2: the price nan is not positive"),
        ("time_s,price\n5,2\n4,2\n", "p.csv:3: the time 4 is before that of the line above"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(text, says):
    with pytest.raises(SettingsError, match=says):
        parse_prices(text, "p.csv")
