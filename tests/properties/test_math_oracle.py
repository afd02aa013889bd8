"""The ring of observations equals a plain history, second by second."""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutOfRangeError
from pipeline.units import Liquidity, Seconds, Tick
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot
from pipeline.venues.uniswap_v3.oracle import GROWN_SLOT, first_slot, next_place, next_slot, observe_slots

Span = tuple[int, int, int]
"""Seconds, tick and liquidity that stood still for them."""

spans = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 30), st.integers(1, 10**6)),
        st.one_of(st.integers(-887_272, 887_271), st.integers(-3, 3)),
        st.one_of(st.integers(0, 2**128 - 1), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=25,
)
starts = st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 100, 2**32 - 1), st.just(1_700_000_000))


def ring_of(
    start_s: int, history: list[Span], grow_at: dict[int, int]
) -> tuple[dict[int, OracleSlot], int, int]:
    """Write every span, and grow the ring before the i-th as given. Returns (slots, index, cardinality)."""
    slots, index, cardinality, cardinality_next = {0: first_slot(start_s)}, 0, 1, 1
    now_s = start_s
    for step, (elapsed_s, tick, liquidity) in enumerate(history):
        wanted = max(grow_at.get(step, 0), cardinality_next)
        slots |= dict.fromkeys(range(cardinality_next, wanted), GROWN_SLOT)
        cardinality_next = wanted
        now_s += elapsed_s
        written = next_slot(slots[index], now_s, Tick(tick), Liquidity(liquidity))
        index, cardinality = next_place(index, cardinality, cardinality_next)
        slots[index] = written
    return slots, index, cardinality


@given(starts, spans, st.dictionaries(st.integers(0, 24), st.integers(1, 12)), st.data())
def test_observing_sums_the_seconds(
    start_s: int, history: list[Span], grow_at: dict[int, int], data: st.DataObject
) -> None:
    slots, index, cardinality = ring_of(start_s, history, grow_at)
    tail_s, tail_tick, tail_liquidity = data.draw(
        st.tuples(st.integers(0, 100), st.integers(-9, 9), st.integers(0, 9))
    )
    whole = [*history, (tail_s, tail_tick, tail_liquidity)]
    total_s = sum(span[0] for span in whole)
    ago_s = data.draw(st.one_of(st.integers(0, total_s), st.integers(0, min(total_s, 60))))

    def ask() -> tuple[int, int]:
        return observe_slots(
            slots,
            index=index,
            cardinality=cardinality,
            now_s=(start_s + total_s) % 2**32,
            seconds_ago=Seconds(ago_s),
            tick=Tick(tail_tick),
            liquidity=Liquidity(tail_liquidity),
        )

    reach_s = tail_s + sum(span[0] for span in history[len(history) + 1 - len(written(slots)) :])
    if ago_s > reach_s:
        with pytest.raises(OutOfRangeError, match="reach back"):
            ask()
        return
    ticks, per_liquidity = ask()
    assert ticks == summed(whole, total_s - ago_s, lambda tick, _: tick)
    exact = summed(whole, total_s - ago_s, lambda _, liquidity: Fraction(1 << 128, max(liquidity, 1)))
    behind = (math.floor(exact) - per_liquidity) % 2**160
    assert behind <= len(whole) + 1  # rounded down once a slot


def written(slots: dict[int, OracleSlot]) -> list[OracleSlot]:
    return [slot for slot in slots.values() if slot.initialized]


def summed(history: list[Span], until_s: int, value: Callable[[int, int], int | Fraction]) -> int | Fraction:
    total: int | Fraction = 0
    for elapsed_s, tick, liquidity in history:
        part_s = min(elapsed_s, until_s)
        total += part_s * value(tick, liquidity)
        until_s -= part_s
    return total


def test_a_ring_widens_only_when_it_comes_to_its_end() -> None:
    assert next_place(0, 1, 1) == (0, 1)
    assert next_place(0, 1, 4) == (1, 4)
    assert next_place(1, 3, 4) == (2, 3)
    assert next_place(2, 3, 4) == (3, 4)
    assert next_place(3, 4, 4) == (0, 4)


def test_a_slot_counts_one_for_no_liquidity_and_wraps() -> None:
    last = OracleSlot(
        timestamp_s=2**32 - 2,
        tick_cumulative=2**55 - 5,
        seconds_per_liquidity_x128=2**160 - 1,
        initialized=True,
    )
    after = next_slot(last, 2**32 + 8, Tick(3), Liquidity(0))
    assert after.timestamp_s == 8
    assert after.tick_cumulative == 2**55 - 5 + 30 - 2**56
    assert after.seconds_per_liquidity_x128 == (10 << 128) - 1
