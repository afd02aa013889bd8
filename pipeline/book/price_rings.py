"""Keep the past prices of pools in ring buffers, for the books of the shard that need them.

A slot is written by the last block of its interval that moved the price, else by the interval's first. What stands in it holds
until the next slot's block. So the price at the end of each interval is known, and so is every sum of their logarithms over time up to there.
"""

import math
from collections.abc import Iterator, Sequence

from pipeline import keys
from pipeline.book.exposures import Spot
from pipeline.book.prices import find_spot
from pipeline.math.log_prices import log_of_price, price_at_log
from pipeline.messages.base import BlockRef, Price
from pipeline.messages.entries import Route
from pipeline.messages.policy import Policy
from pipeline.messages.prices import PriceRing, PriceSlot
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.statistics.clock import LogPrices
from pipeline.units import BlockNumber, LogPrice, Seconds
from pipeline.venues.port import Items, Venue
from pipeline.venues.registry import pool_item


def keep_prices(
    shard: Shard, venues: Sequence[Venue], books: tuple[Policy, ...], block: BlockRef, items: Items
) -> None:
    """Store the spot price after a block in the ring of each pool that is read and not in quarantine."""
    for ring, item, route_key in _rings(shard.tables, books):
        route = shard.tables.find(route_key, Route)
        if route is None or route.observed_at_block is None or items.is_closed(item):
            continue
        spot = find_spot(shard, venues, ring.pool)
        if spot is not None:
            _keep(shard.tables, ring, spot, block.timestamp_s, route.observed_at_block)


def writes_between(tables: Tables, books: tuple[Policy, ...], kept_s: Seconds, now_s: Seconds) -> bool:
    """Return whether a ring is written at a time though its price has not moved since: another interval has begun."""
    return any(ring.interval(kept_s) != ring.interval(now_s) for ring, _, _ in _rings(tables, books))


def last_slot(tables: Tables, ring: PriceRing, interval: int) -> PriceSlot | None:
    """Return the slot of an interval, or of the newest earlier one that the ring still holds."""
    found = (_slot(tables, ring, each) for each in range(interval, interval - ring.slots, -1))
    return next((slot for slot in found if slot is not None), None)


def known_slots(tables: Tables, ring: PriceRing, now_s: Seconds) -> list[PriceSlot]:
    """List a ring's slots, oldest first, from which on the price is known without a gap."""
    newest = last_slot(tables, ring, ring.interval(now_s))
    if newest is None:
        return []
    last = ring.interval(newest.at_s)
    found = (_slot(tables, ring, each) for each in range(last - ring.slots + 1, last + 1))
    run = newest.since_s, newest.read_at_block
    return [slot for slot in found if slot is not None and (slot.since_s, slot.read_at_block) == run]


def interval_prices(tables: Tables, ring: PriceRing, now_s: Seconds) -> Iterator[tuple[Seconds, Price]]:
    """List the price at the end of each finished interval, with that time."""
    for slot in known_slots(tables, ring, now_s):
        end_s = _end_s(ring, slot)
        if end_s <= now_s:
            yield end_s, Price(numerator=slot.numerator, denominator=slot.denominator)


def past_prices(tables: Tables, ring: PriceRing, now_s: Seconds) -> LogPrices | None:
    """Return a ring's prices as logarithms, up to the end of the last finished interval; None where it has none."""
    known = list(interval_prices(tables, ring, now_s))
    if not known:
        return None
    at_s, prices = zip(*known, strict=True)
    logs = [math.log(each.numerator) - math.log(each.denominator) for each in prices]
    return LogPrices(at_s, logs, now_s // ring.every_s * ring.every_s, ring.every_s)


def mean_price(tables: Tables, ring: PriceRing, window_s: Seconds, now_s: Seconds) -> Price | Seconds:
    """Return the time-weighted geometric mean of a pool's spot prices, token0 in token1, up to now; else the time from which there is one.

    It begins at the last end of an interval that is a whole window ago, so it is exact. Nothing of the present block counts.
    Rounds: down to a step of .01 %.
    """
    slots = known_slots(tables, ring, now_s)
    begin_s = (now_s - window_s) // ring.every_s * ring.every_s
    before = [slot for slot in slots if _end_s(ring, slot) <= begin_s]
    if not before:
        return Seconds((_end_s(ring, slots[0]) if slots else now_s + ring.every_s) + window_s)
    seconds = slots[-1].log_price_seconds_at(now_s) - before[-1].log_price_seconds_at(begin_s)
    return price_at_log(LogPrice(seconds // (now_s - begin_s)))


def _end_s(ring: PriceRing, slot: PriceSlot) -> Seconds:
    """Return when a slot's interval ends."""
    return Seconds((ring.interval(slot.at_s) + 1) * ring.every_s)


def _slot(tables: Tables, ring: PriceRing, interval: int) -> PriceSlot | None:
    """Return an interval's slot; None where another interval has overwritten it."""
    slot = tables.find(ring.key(interval), PriceSlot)
    return slot if slot is not None and ring.interval(slot.at_s) == interval else None


def _rings(tables: Tables, books: tuple[Policy, ...]) -> tuple[tuple[PriceRing, str, str], ...]:
    """List the rings that books need, each with its pool's item and the key of the item's route."""
    return tables.of_family(keys.PRICE_RINGS, keys.policy.family, _named, books)


def _named(books: tuple[Policy, ...]) -> tuple[tuple[PriceRing, str, str], ...]:
    items = {ring: pool_item(policy, ring.pool) for policy in books for ring in policy.price_rings()}
    return tuple((ring, item, keys.route(item)) for ring, item in items.items())


def _keep(tables: Tables, ring: PriceRing, spot: Spot, at_s: Seconds, read_at: BlockNumber) -> None:
    interval, price = ring.interval(at_s), spot.price
    key = ring.key(interval)
    last = tables.find(key, PriceSlot)
    if last is None or ring.interval(last.at_s) != interval:
        last = last_slot(tables, ring, interval)
    if last is None or last.read_at_block != read_at:
        since_s, log_price_seconds, log_price = at_s, 0, log_of_price(price)
    else:
        moved = (last.numerator, last.denominator) != (price.numerator, price.denominator)
        if not moved and ring.interval(last.at_s) == interval:
            return
        since_s, log_price = last.since_s, log_of_price(price) if moved else last.log_price
        log_price_seconds = last.log_price_seconds_at(at_s)
    slot = PriceSlot(
        at_s=at_s,
        numerator=price.numerator,
        denominator=price.denominator,
        log_price=log_price,
        log_price_seconds=log_price_seconds,
        since_s=since_s,
        read_at_block=read_at,
    )
    tables.put(key, slot)
