"""While a pool stays within a span, a book has the holdings that the span states, no news, and the same decision."""

from collections import Counter

from builders import OWNER, POOL, policy, started
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline import keys
from pipeline.advance.books import stock_of
from pipeline.advance.shard_views import shown
from pipeline.book.stock import totals
from pipeline.decide.gates import deviation_bps, walk_path
from pipeline.decide.steady import is_steady
from pipeline.drive import drive
from pipeline.math.ticks import tick_at_sqrt_price
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import Policy, TargetBand
from pipeline.state.shard import Shard
from pipeline.venues.registry import venues_of
from pipeline.venues.uniswap_v3.forms.entries import Pool

MEASURES = (f"{POOL} rises to", f"{POOL} falls to", f"{POOL} growth0", f"{POOL} growth1")
REACHED: Counter[str] = Counter()


def bands(deviation: int) -> tuple[TargetBand, ...]:
    """A band with its end near where the book is, from both sides, and one far away."""
    near = max(abs(deviation), 3)
    return (
        TargetBand(band_bps=near, hysteresis_bps=2),
        TargetBand(band_bps=max(near - 1, 2), hysteresis_bps=1),
        TargetBand(band_bps=near + 30, hysteresis_bps=30),
        TargetBand(band_bps=9_000, hysteresis_bps=10),
    )


def part(whole: int, share: float) -> int:
    return whole if share == 1 else min(int(whole * share), whole)


def moved(shard: Shard, bounds: dict[str, int], at: list[float]) -> Shard:
    """A shard whose pool has gone as far within its bounds as these parts of them say; 1: to the last value inside."""
    state = shard.tables.need(keys.pool(POOL), Pool)
    up, down, growth0, growth1 = (bounds.get(measure, 1 << 255) for measure in MEASURES)
    lowest, highest = 1 - down, up - 1
    sqrt_price = lowest + part(highest - lowest, at[0])
    state = replace(
        state,
        sqrt_price_x96=sqrt_price,
        tick=tick_at_sqrt_price(sqrt_price),
        growth0_x128=state.growth0_x128 + part(growth0 - 1 - state.growth0_x128, at[1]),
        growth1_x128=state.growth1_x128 + part(growth1 - 1 - state.growth1_x128, at[2]),
    )
    return Shard(0, {**shard.tables.entries(), keys.pool(POOL): state})


def outside(book: Policy, path: BookPath, shard: Shard) -> BookPath:
    return walk_path(path, stock_of(shard, book), book, 1)


def started_with(seed: int, operations: int, small: int) -> Shard:
    watcher = started(seed, policy())
    for _ in range(operations):
        watcher.block(3)
    watcher.chain.mine(0)
    watcher.chain.swap(10**small, down=bool(seed % 2))
    lower = watcher.chain.pool.tick // 10 * 10
    watcher.chain.mint(OWNER, lower, lower + 10, 10**20)
    watcher.tell()
    watcher.read_wanted()
    watcher.block(0)
    shard = Shard(0)
    drive(shard, watcher.log)
    return shard


parts = st.lists(st.sampled_from([0.0, 1.0]) | st.floats(0, 1), min_size=3, max_size=3)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 6), st.integers(9, 20), st.sampled_from([0, 2, 6, 12]), parts)
def test_within_a_span_a_book_has_what_it_says_and_is_judged_the_same(seed, operations, small, halvings, at):
    shard, book = started_with(seed, operations, small), policy()
    spans = {
        pool: span for v in venues_of(book.chain) for pool, span in v.spans(shard, book, halvings).items()
    }
    if not spans:
        REACHED["no span"] += 1
        return
    REACHED["span"] += 1
    there = moved(shard, spans[POOL].bounds, at)
    before, after = totals(stock_of(shard, book)), totals(stock_of(there, book))
    for token, (least, most) in spans[POOL].amounts.items():
        assert before[token] + least <= after[token] <= before[token] + most
    assert shown(shard).books[book.book].basis == shown(there).books[book.book].basis
    for band in bands(deviation_bps(stock_of(shard, book), book)):
        banded = replace(book, strategy=band)
        path = outside(banded, outside(banded, BookPath(), shard), shard)
        steady = is_steady(banded, path, stock_of(shard, banded), spans)
        changed = outside(banded, path, there) != path
        REACHED[f"steady {steady}, changed {changed}"] += 1
        assert not (steady and changed)


def test_spans_are_found_and_books_are_steady_or_not():
    test_within_a_span_a_book_has_what_it_says_and_is_judged_the_same()
    # of 80 examples or more; a fifth of them without a span is met now and then, as like draws come in clusters
    assert REACHED["span"] > 50, REACHED
    for reached in (
        "steady True, changed False",
        "steady False, changed False",
        "steady False, changed True",
    ):
        assert REACHED[reached] > 10, REACHED
