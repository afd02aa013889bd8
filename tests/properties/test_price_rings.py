"""A shard's rings of past prices equal a list of the branch's prices per block, on any walk with reorgs."""

import itertools
import math

import pytest
from builders import POOL, ToyChain, ToyWatcher, policy, started
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.book.price_rings import interval_prices, last_slot, mean_price
from pipeline.drive import drive
from pipeline.math.log_prices import log_of_price
from pipeline.math.ticks import sqrt_price_at_tick, tick_at_sqrt_price
from pipeline.messages.base import Price
from pipeline.messages.events import Resumed
from pipeline.messages.prices import MeanPath, PriceHistory, PriceRing, Reference
from pipeline.state.shard import Shard
from pipeline.units import Seconds, ShardId
from streams.kafka.codec import encode, encode_entry
from streams.pool_prices import kept_pools
from streams.work.fold import fold_record

RING = PriceRing(POOL, Seconds(60), 24)
WINDOW_S = Seconds(300)
MEAN = MeanPath(pools=(POOL,), window_s=WINDOW_S)
(MEAN_RING,) = MEAN.rings()
BOOK = policy(
    price_history=PriceHistory(every_s=RING.every_s, slots=RING.slots), references=(Reference(price=MEAN),)
)

walks = st.lists(
    st.one_of(
        st.tuples(st.just("block"), st.sampled_from([0, 0, 1, 3]), st.sampled_from([1, 12, 12, 59, 130])),
        st.tuples(st.just("back"), st.integers(1, 8), st.just(0)),
    ),
    min_size=1,
    max_size=60,
)


class Walk:
    """A chain with a list of what its pool's price was after each block of the branch."""

    def __init__(self, seed: int) -> None:
        self.watcher: ToyWatcher = started(seed, BOOK)
        self.truth: list[tuple[int, int]] = []
        self.past: list[tuple[ToyChain, int]] = []
        self.forks = 0

    def step(self, what: str, count: int, seconds: int) -> None:
        chain = self.watcher.chain
        if what == "block":
            self.past.append((self.watcher.fork(f"f{self.forks}"), len(self.truth)))
            del self.past[:-8]
            chain.mine(0)
            chain.head = replace(chain.head, timestamp_s=chain.head.timestamp_s - 12 + seconds)
            for number in range(count):
                chain.swap(10**18 * (number + 1), down=chain.random.random() < 0.5)
            self.watcher.tell()
            self.truth.append((chain.head.timestamp_s, chain.pool.sqrt_price_x96))
        elif len(self.past) >= count:
            self.forks += 1
            back, known = self.past[-count]
            del self.past[-count:], self.truth[known:]
            self.watcher.revert_to(back)


def walked(seed: int, steps) -> Walk:
    walk = Walk(seed)
    for step in steps:
        walk.step(*step)
    return walk


def folded(walk: Walk) -> Shard:
    shard = Shard(ShardId(0))
    drive(shard, walk.watcher.log)
    return shard


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), walks)
def test_the_price_at_each_intervals_end_is_that_of_the_last_block_before_it(seed, steps):
    walk = walked(seed, steps)
    shard = folded(walk)
    now_s = walk.watcher.chain.head.timestamp_s
    told = list(interval_prices(shard.tables, RING, now_s))
    if not walk.truth:
        assert told == []
        return
    first, last = walk.truth[0][0] // 60, walk.truth[-1][0] // 60
    ends = [60 * (n + 1) for n in range(max(first, last - RING.slots + 1), now_s // 60)]
    with_blocks = {at_s // 60 for at_s, _ in walk.truth}
    expected = {
        end_s: next(price for at_s, price in reversed(walk.truth) if at_s < end_s)
        for end_s in ends
        if end_s // 60 - 1 in with_blocks
    }
    assert dict(told) == {
        end_s: Price(numerator=price * price, denominator=1 << 192) for end_s, price in expected.items()
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), walks)
def test_ticks_are_summed_over_time(seed, steps):
    walk = walked(seed, steps)
    slot = last_slot(folded(walk).tables, RING, walk.watcher.chain.head.timestamp_s // 60)
    assert (slot is None) == (not walk.truth)
    if slot is None:
        return
    moments = [*walk.truth, (slot.at_s, 0)]
    by_then = [each for each in moments if each[0] <= slot.at_s]
    lasted = itertools.pairwise(by_then)
    assert slot.since_s == walk.truth[0][0]
    assert slot.log_price_seconds == sum(
        tick_at_sqrt_price(price) * (until_s - at_s) for (at_s, price), (until_s, _) in lasted
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), walks)
def test_a_mean_is_that_of_every_blocks_tick_over_its_seconds(seed, steps):
    walk = walked(seed, steps)
    tables, now_s = folded(walk).tables, walk.watcher.chain.head.timestamp_s
    found = mean_price(tables, MEAN_RING, WINDOW_S, now_s)
    known_until_s = walk.truth and (walk.truth[0][0] // 30 + 1) * 30 + WINDOW_S
    if not isinstance(found, Price):
        assert found > now_s
        assert not walk.truth or found >= known_until_s
        return
    assert known_until_s <= now_s
    begin_s = (now_s - WINDOW_S) // 30 * 30
    ticks = [
        tick_at_sqrt_price(next(price for at_s, price in reversed(walk.truth) if at_s <= second_s))
        for second_s in range(begin_s, now_s)
    ]
    sqrt_x96 = sqrt_price_at_tick(sum(ticks) // len(ticks))
    assert found == Price(numerator=sqrt_x96**2, denominator=1 << 192)


def test_a_mean_is_known_from_the_moment_that_is_told():
    walk = walked(1, [("block", 1, 12)])
    told: list[int] = []
    for _ in range(60):
        found = mean_price(folded(walk).tables, MEAN_RING, WINDOW_S, walk.watcher.chain.head.timestamp_s)
        if isinstance(found, Price):
            break
        told.append(found)
        walk.step("block", 1, 12)
    assert len(set(told)) == 1, "it does not move while it is waited for"
    head_s = walk.watcher.chain.head.timestamp_s
    assert head_s - 12 < told[0] <= head_s


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), walks, st.integers(1, 20))
def test_any_batch_split_commits_the_same_slots(seed, steps, size):
    walk = walked(seed, steps)
    committed: dict[str, bytes | None] = {}
    shard = Shard(ShardId(0))
    for offset, event in enumerate(walk.watcher.log):
        fold_record(shard, offset, encode(event))
        if offset % size == 0 or offset == len(walk.watcher.log) - 1:
            committed |= {k: v and encode_entry(v) for k, v in shard.tables.changes().items()}
            shard.tables.committed()
    slots = {k: v for k, v in committed.items() if k.startswith("price/") and v is not None}
    entries = folded(walk).tables.entries().items()
    assert slots == {k: encode_entry(v) for k, v in entries if k.startswith("price/")}


@given(st.integers(-880_000, 880_000), st.integers(1, 10**30))
def test_a_tick_is_the_greatest_whose_price_is_not_above(tick, scale):
    price = Price(numerator=round(1.0001 ** abs(tick) * 10**15) * scale, denominator=10**15 * scale)
    found = log_of_price(
        price if tick >= 0 else Price(numerator=price.denominator, denominator=price.numerator)
    )
    assert abs(found - tick) <= 1


def test_what_is_kept_is_a_pools_prices_for_the_estimate():
    walk = walked(3, [("block", 1, 12)] * 60)
    (pool,) = (pool for pool in kept_pools(folded(walk).tables) if pool.prices.every_s == RING.every_s)
    assert (pool.pool, pool.source, pool.fee_pips) == (POOL, "state", 500)
    assert pool.prices.end_s == walk.truth[-1][0] // 60 * 60
    ends = zip(pool.prices.at_s, pool.prices.log, strict=True)
    for end_s, log in ends:
        price = next(price for at_s, price in reversed(walk.truth) if at_s < end_s)
        assert math.isclose(log, 2 * math.log(price / 2**96), rel_tol=0, abs_tol=1e-12)


def test_a_pool_that_was_read_again_begins_anew():
    """What stood in the ring before may have been wrong, and while the pool is in quarantine nothing is kept."""
    watcher = started(5, BOOK)
    for _ in range(30):
        watcher.block()
    watcher.append(
        replace(
            watcher.chain.read(f"pool/{POOL}", "check", 1),
            state=replace(watcher.chain.pool.pool(), liquidity=1),
        )
    )
    for _ in range(10):
        watcher.block()
    shard = Shard(ShardId(0))
    drive(shard, watcher.log)
    stopped = last_slot(shard.tables, RING, watcher.chain.head.timestamp_s // 60)
    assert watcher.chain.head.timestamp_s - stopped.at_s >= 120
    watcher.append(Resumed(scope=f"pool/{POOL}", reason="looked at", by="me"))
    watcher.read_wanted()
    watcher.block()
    repaired_s = watcher.chain.head.timestamp_s
    for _ in range(9):
        watcher.block()
    drive(shard, watcher.log[shard.cursor + 1 :])
    newest = last_slot(shard.tables, RING, watcher.chain.head.timestamp_s // 60)
    assert newest.since_s == repaired_s
    told = list(interval_prices(shard.tables, RING, watcher.chain.head.timestamp_s))
    assert told
    assert told[0][0] > repaired_s


@pytest.mark.parametrize("after", [policy(), policy(price_history=PriceHistory(every_s=60, slots=30))])
def test_a_ring_that_no_book_wants_any_more_is_deleted_from_the_frames_too(after):
    walk = walked(6, [("block", 1, 12)] * 20)
    walk.watcher.set_policy(after)
    shard = folded(walk)
    key = RING.key(0).rpartition("/")[0]
    frames = [each for overwritten in shard.tables.overwritten().values() for each in overwritten]
    assert not [each for each in (*shard.tables.entries(), *frames) if each.startswith(key)]
    walk.watcher.block()
    drive(shard, walk.watcher.log[shard.cursor + 1 :])
    rings = {PriceRing.of(each) for each in shard.tables.entries() if each.startswith("price/")}
    assert rings == set(after.price_rings())
