"""A pool's ring of observations: how a slot is written, how the ring grows, and how it is queried."""

from bisect import bisect_left
from collections.abc import Mapping

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import wrap_int, wrap_uint
from pipeline.units import Liquidity, Seconds, Tick
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot

SECONDS_WRAP = 1 << 32
GROWN_SLOT = OracleSlot(timestamp_s=1, tick_cumulative=0, seconds_per_liquidity_x128=0, initialized=False)
"""Paid for in advance, not written yet."""


def first_slot(timestamp_s: int) -> OracleSlot:
    """Make the first observation, at the pool's initialisation."""
    return OracleSlot(
        timestamp_s=timestamp_s % SECONDS_WRAP,
        tick_cumulative=0,
        seconds_per_liquidity_x128=0,
        initialized=True,
    )


def next_slot(last: OracleSlot, timestamp_s: int, tick: Tick, liquidity: Liquidity) -> OracleSlot:
    """Extend an observation to a later time during which tick and liquidity did not change.

    Rounds: seconds per liquidity down; all three fields wrap at their width.
    Source: v3-core Oracle.transform
    """
    elapsed_s = (timestamp_s - last.timestamp_s) % SECONDS_WRAP
    return OracleSlot(
        timestamp_s=timestamp_s % SECONDS_WRAP,
        tick_cumulative=wrap_int(last.tick_cumulative + tick * elapsed_s, 56),
        seconds_per_liquidity_x128=wrap_uint(
            last.seconds_per_liquidity_x128 + (elapsed_s << 128) // max(liquidity, 1), 160
        ),
        initialized=True,
    )


def next_place(index: int, cardinality: int, cardinality_next: int) -> tuple[int, int]:
    """Return the (index, cardinality) of the next write: the ring grows when it reaches its end.

    Source: v3-core Oracle.write
    """
    if cardinality_next > cardinality and index == cardinality - 1:
        cardinality = cardinality_next
    return (index + 1) % cardinality, cardinality


def observe_slots(
    slots: Mapping[int, OracleSlot],
    *,
    index: int,
    cardinality: int,
    now_s: int,
    seconds_ago: Seconds,
    tick: Tick,
    liquidity: Liquidity,
) -> tuple[int, int]:
    """Return (tick cumulative, seconds per liquidity) `seconds_ago`.

    Rounds: seconds per liquidity between two slots down; the tick needs none.
    Raises: OutOfRangeError where the ring does not reach back so far.
    Source: v3-core Oracle.observeSingle
    """
    target_s = (now_s - seconds_ago) % SECONDS_WRAP
    newest = slots[index]
    if not _age(now_s, target_s) > _age(now_s, newest.timestamp_s):
        slot = newest if newest.timestamp_s == target_s else next_slot(newest, target_s, tick, liquidity)
        return slot.tick_cumulative, slot.seconds_per_liquidity_x128
    before, after = _around(slots, index, cardinality, now_s, target_s)
    return _between(before, after, target_s)


def _around(
    slots: Mapping[int, OracleSlot], index: int, cardinality: int, now_s: int, target_s: int
) -> tuple[OracleSlot, OracleSlot]:
    """Find the neighbouring observations of a time older than the newest."""
    written = cardinality if slots[(index + 1) % cardinality].initialized else index + 1

    def age_s(back: int) -> int:
        return _age(now_s, slots[(index - back) % cardinality].timestamp_s)

    back = bisect_left(range(written), _age(now_s, target_s), key=age_s)
    if back == written:
        raise OutOfRangeError(f"the observations do not reach back to {target_s}")
    return slots[(index - back) % cardinality], slots[(index - back + 1) % cardinality]


def _between(before: OracleSlot, after: OracleSlot, target_s: int) -> tuple[int, int]:
    if target_s == before.timestamp_s:
        return before.tick_cumulative, before.seconds_per_liquidity_x128
    if target_s == after.timestamp_s:
        return after.tick_cumulative, after.seconds_per_liquidity_x128
    span_s = (after.timestamp_s - before.timestamp_s) % SECONDS_WRAP
    passed_s = (target_s - before.timestamp_s) % SECONDS_WRAP
    ticks = wrap_int(after.tick_cumulative - before.tick_cumulative, 56)
    rate = ticks // span_s  # exact: the tick stood still between two slots
    liquidity_seconds = wrap_uint(after.seconds_per_liquidity_x128 - before.seconds_per_liquidity_x128, 160)
    return (
        wrap_int(before.tick_cumulative + rate * passed_s, 56),
        wrap_uint(before.seconds_per_liquidity_x128 + liquidity_seconds * passed_s // span_s, 160),
    )


def _age(now_s: int, timestamp_s: int) -> int:
    """Return how long a time was before `now_s`, on the clock that wraps."""
    return (now_s - timestamp_s) % SECONDS_WRAP
