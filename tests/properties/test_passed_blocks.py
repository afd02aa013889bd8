"""A run of quiet blocks in one record leads to the same outputs, entries and frames as its blocks one by one."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
from block_by_block import blocks_of, one_by_one
from builders import FINAL_DEPTH, OWNER, POOL, STRANGER, ToyWatcher, policy, started
from depth import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from quiet_stories import BANDS, CHAIN, tell
from uptime import DOWN, UP, answer, by_the_sequencer

from pipeline import keys
from pipeline.advance import advance, passed_blocks
from pipeline.drive import drive
from pipeline.follow.quiet_runs import block_of, seen_at, seen_of
from pipeline.follow.routes import Arrival, follow
from pipeline.messages.arrivals import Departure
from pipeline.messages.base import Output
from pipeline.messages.effects import DryRuns
from pipeline.messages.entries import Cursor, Halted, SetAside
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksPassed, BlocksReverted
from pipeline.messages.prices import MeanPath, PriceHistory, Reference
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from streams.kafka.codec import decode_event, encode
from streams.rehearse.before import take_back, with_all_native_balances
from streams.watch import passed_blocks as written
from streams.watch.passed_blocks import in_runs

REACHED: Counter[str] = Counter()
QUIET = replace(CHAIN, report_every_blocks=1_000)


def joined(log: Iterable[AnyEvent], lengths: list[int]) -> Iterator[AnyEvent]:
    """Put quiet blocks in a row into one record, so many at most at a time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(written, "_FEWEST", 2)
        waiting: list[BlockSeen] = []
        for place, event in enumerate(log):
            if isinstance(event, BlockSeen):
                waiting.append(event)
                if len(waiting) < lengths[place % len(lengths)]:
                    continue
            yield from in_runs(waiting)
            waiting = []
            if not isinstance(event, BlockSeen):
                yield event
        yield from in_runs(waiting)


def as_read(log: Iterable[AnyEvent]) -> list[AnyEvent]:
    return [decode_event(encode(event), where="test") for event in log]


def compare(log: list[AnyEvent], lengths: list[int]) -> list[Output]:
    runs = list(joined(log, lengths))
    alone, at_once = Shard(0), Shard(0)
    said = one_by_one(alone, runs)
    assert [block for event in runs for block in blocks_of(event)] == log
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passed_blocks, "_says_nothing", counted(passed_blocks._says_nothing))
        assert drive(at_once, as_read(runs)) == said
    assert at_once.tables.entries() == alone.tables.entries()
    assert at_once.tables.overwritten() == alone.tables.overwritten()
    watched = Tables()
    for event in runs:
        follow(watched, event)
    assert watched.head == alone.tables.head
    assert watched.sealed_blocks() == alone.tables.sealed_blocks()
    REACHED["runs"] += sum(isinstance(event, BlocksPassed) for event in runs)
    return said


def counted(says_nothing: Any) -> Any:
    def asked(*about: Any) -> bool:
        found = says_nothing(*about)
        REACHED["passed" if found else "taken in"] += 1
        return bool(found)

    return asked


def calm(watcher: ToyWatcher, blocks: int) -> None:
    watcher.coins_change = False
    for _ in range(blocks):
        watcher.block(0)


acts = st.lists(st.tuples(st.integers(0, 17), st.integers(0, 30)), min_size=2, max_size=8)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32),
    acts,
    st.sampled_from(["dry-run", "live", "watch"]),
    st.lists(st.integers(2, 40), min_size=1, max_size=5),
    st.sampled_from([CHAIN, QUIET]),
)
def test_a_run_leads_to_what_its_blocks_lead_to(seed, story, mode, lengths, chain):
    watcher = started(seed, policy(chain=chain, mode=mode))
    for act, blocks in story:
        watcher.coins_change = False
        tell(watcher, act)
        calm(watcher, blocks)
    compare(watcher.log, lengths)


def test_the_stories_have_runs_in_which_blocks_are_passed_and_taken_in():
    REACHED.clear()
    for act in range(18):
        for chain in (CHAIN, QUIET):
            watcher = started(act, policy(chain=chain, strategy=BANDS[act % 3]))
            for each in (9, 0, act, 5):
                tell(watcher, each)
                calm(watcher, 17)
            compare(watcher.log, [13, 40])
    assert REACHED["runs"] > 100
    assert REACHED["passed"] > 500
    assert REACHED["taken in"] > 200


def test_liquidity_out_of_range_is_noticed_within_a_run():
    watcher = started(7, policy(chain=QUIET, strategy=BANDS[2]))
    tell(watcher, 5)
    calm(watcher, 40)
    said = compare(watcher.log, [60])
    proposed = [each for each in said if type(each).__name__ == "RebalanceProposed"]
    assert proposed
    assert proposed[0].because_of.block.number < watcher.chain.head.number - 20


def test_the_end_of_a_grace_period_is_noticed_within_a_run():
    REACHED.clear()
    watcher = started(7, by_the_sequencer(policy(chain=QUIET, strategy=BANDS[0]), grace_s=240))
    answer(watcher, UP, ago_s=0)
    tell(watcher, 5)
    calm(watcher, 40)
    said = compare(watcher.log, [60])
    proposed = next(each for each in said if type(each).__name__ == "RebalanceProposed")
    assert watcher.chain.head.number - 30 < proposed.because_of.block.number < watcher.chain.head.number - 15
    assert REACHED["passed"] > 10


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32),
    st.lists(
        st.tuples(
            st.sampled_from([0, 3, 4, 5, 6]),
            st.integers(0, 30),
            st.sampled_from([UP, DOWN, 2]),
            st.integers(-40, 200),
        ),
        max_size=5,
    ),
    st.lists(st.integers(2, 40), min_size=1, max_size=5),
)
def test_a_run_leads_to_the_same_whatever_the_sequencer_does(seed, story, lengths):
    watcher = started(seed, by_the_sequencer(policy(chain=QUIET, strategy=BANDS[0])))
    for act, blocks, says, ago_s in story:
        answer(watcher, says, ago_s)
        watcher.coins_change = False
        tell(watcher, act)
        calm(watcher, blocks)
    compare(watcher.log, lengths)


def test_a_ring_of_prices_is_kept_within_a_run():
    mean = MeanPath(pools=(POOL,), window_s=48)
    watcher = started(7, policy(chain=QUIET, strategy=BANDS[0], references=(Reference(price=mean),)))
    calm(watcher, 40)
    tell(watcher, 5)
    calm(watcher, 40)
    compare(watcher.log, [60])


def test_a_history_of_prices_is_kept_within_a_run_of_a_book_that_rests():
    REACHED.clear()
    history = PriceHistory(every_s=48, slots=20)
    watcher = started(7, policy(chain=QUIET, strategy=BANDS[2], price_history=history))
    calm(watcher, 40)
    compare(watcher.log, [60])
    assert REACHED["passed"] > 15


def test_an_item_that_left_is_forgotten_within_a_run():
    watcher = started(3, policy(chain=QUIET))
    run = run_of(watcher, 40)
    month_s = 30 * 24 * 60 * 60
    departed = Departure(
        book="alpha",
        to=None,
        transaction_hash=None,
        value_quote=None,
        block=replace(block_of(run, 0), timestamp_s=run.blocks[20].timestamp_s - month_s),
    )
    prefix = [event for event in watcher.log if not is_in(event, run)]
    shards = [Shard(0), Shard(0)]
    for shard in shards:
        drive(shard, prefix)
        shard.tables.put(keys.departure("position/0x3a/1"), departed)
    at_once, alone = shards
    drive(at_once, [run])
    for each in blocks_of(run):
        advance(alone, len(prefix), each)
    alone.tables.put(keys.CURSOR, Cursor(offset=len(prefix)))
    assert at_once.tables.entries() == alone.tables.entries()
    assert not at_once.tables.find(keys.departure("position/0x3a/1"), Departure)


def is_in(event: AnyEvent, run: BlocksPassed) -> bool:
    return isinstance(event, BlockSeen) and event.block.number >= run.first


def run_of(watcher: ToyWatcher, blocks: int) -> BlocksPassed:
    before = len(watcher.log)
    calm(watcher, 2 + blocks)  # the first may tell what the record before it changed
    *_, run = joined(watcher.log[before:], [blocks + 9])
    assert isinstance(run, BlocksPassed)
    return run


def test_a_reorg_goes_back_into_a_run():
    watcher = started(3, policy(chain=QUIET))
    run_of(watcher, 30)
    for depth in range(1, FINAL_DEPTH):
        log = list(joined(watcher.log, [99]))
        whole, last = Shard(0), log[-1]
        assert isinstance(last, BlocksPassed)
        drive(whole, as_read(log))
        count = len(last.blocks)
        to = block_of(last, count - 1 - depth)
        revert = BlocksReverted(
            term=last.term, to=to, reverted=tuple(block.hash for block in last.blocks[-depth:])
        )
        drive(whole, [revert])
        assert whole.tables.head == to
        assert whole.tables.find(keys.HALTED, Halted) is None
        compare([*watcher.log, revert], [99])
    too_deep = BlocksReverted(term=last.term, to=block_of(last, count - 2 - FINAL_DEPTH), reverted=())
    assert any(type(each).__name__ == "ShardHalted" for each in compare([*watcher.log, too_deep], [99]))


def test_a_run_that_comes_twice_or_too_late_or_from_elsewhere_changes_nothing():
    watcher = started(3, policy(chain=QUIET))
    run = run_of(watcher, 30)
    tables = Tables()
    for event in joined(watcher.log, [99]):
        follow(tables, event)
    head = tables.head
    assert follow(tables, run).arrival is Arrival.KNOWN
    shorter = replace(run, blocks=run.blocks[:-3])
    assert follow(tables, shorter).arrival is Arrival.KNOWN
    assert follow(tables, replace(run, term=run.term - 1)).arrival is Arrival.OUTDATED
    assert follow(tables, replace(run, first=run.first + 50)).arrival is Arrival.SET_ASIDE
    assert tables.need(keys.SET_ASIDE, SetAside).count == 1
    assert tables.head == head


def test_a_run_goes_on_from_a_head_within_it():
    watcher = started(3, policy(chain=QUIET))
    run = run_of(watcher, 30)
    before = [
        event
        for event in watcher.log
        if not (isinstance(event, BlockSeen) and event.block.number > run.first + 9)
    ]
    once, overlapping = Shard(0), Shard(0)
    rest = replace(
        run,
        first=run.first + 10,
        parent_hash=run.blocks[9].hash,
        blocks=run.blocks[10:],
    )
    assert drive(overlapping, [*before, run]) == one_by_one(once, [*before, rest])
    assert overlapping.tables.entries() == once.tables.entries()
    assert overlapping.tables.overwritten() == once.tables.overwritten()


def test_a_run_of_no_blocks_changes_nothing():
    watcher = started(3, policy(chain=QUIET))
    run = run_of(watcher, 10)
    tables = Tables()
    for event in watcher.log:
        follow(tables, event)
    before = dict(tables.entries())
    empty = replace(run, first=tables.head.number + 1, parent_hash=tables.head.hash, blocks=())
    assert follow(tables, empty).arrival is Arrival.KNOWN
    assert tables.entries() == before
    shard = Shard(0)
    drive(shard, [*watcher.log, empty])
    assert shard.tables.head == tables.head


def test_a_proposal_within_a_run_is_tried_as_if_its_block_had_a_record_of_its_own():
    watcher = started(7, policy(chain=QUIET, strategy=BANDS[2]))
    tell(watcher, 5)
    calm(watcher, 12)
    log = list(joined(watcher.log, [60]))
    shard = Shard(0)
    said = drive(shard, log)
    proposed = [each for each in said if type(each).__name__ == "RebalanceProposed"][-1]
    offset, at = proposed.because_of.offset, proposed.because_of.block
    assert isinstance(log[offset], BlocksPassed)
    entry = shard.tables.need(keys.dry_run("alpha"), DryRuns)
    event = seen_at(log[offset], at.number)
    assert event is not None
    take_back(shard, "alpha", entry.untried[-1], offset, event)
    again = drive(shard, [with_all_native_balances(shard.tables, event)])
    (repeated,) = [each for each in again if type(each).__name__ == "RebalanceProposed"]
    assert repeated.id == proposed.id
    assert seen_at(log[offset], at.number + 1_000) is None
    assert seen_at(watcher.log[0], at.number) is None
    assert seen_at(event, at.number) == event


def test_only_quiet_blocks_that_tell_the_same_are_put_into_one_record():
    watcher = started(3, policy(chain=QUIET))
    calm(watcher, 20)
    watcher.chain.allowances[OWNER, POOL, STRANGER] = 1
    watcher.block(2)
    calm(watcher, 20)
    watcher.coins_change = True
    for _ in range(20):
        watcher.block(0)
    seen = [event for event in watcher.log if isinstance(event, BlockSeen)]
    told = list(in_runs(seen))
    back = [
        block
        for event in told
        for block in (
            [event]
            if isinstance(event, BlockSeen)
            else [seen_of(event, at) for at in range(len(event.blocks))]
        )
    ]
    assert back == seen
    assert 2 <= sum(isinstance(event, BlocksPassed) for event in told) <= 4
    assert all(event.native_checksum is not UNSET for event in told if isinstance(event, BlocksPassed))
    assert msgspec.json.encode(encode(told[-1]).decode())
