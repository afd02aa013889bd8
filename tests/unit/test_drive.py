"""The one driver of all folds: a repeated record has no effect, gaps are skipped, and the worker's fold drives the same shard."""

from builders import started

from pipeline import keys
from pipeline.drive import drive, halt_at_last_record, pass_over, take
from pipeline.messages.decisions import ShardHalted
from pipeline.rules import RULES
from pipeline.state.shard import BEFORE_THE_FIRST, Shard
from streams.kafka.codec import encode
from streams.work.fold import fold_log


def told(seed=3, blocks=4):
    watcher = started(seed)
    for _ in range(blocks):
        watcher.block(2)
    return watcher.log


def test_records_are_counted_from_the_cursor_on():
    log, shard = told(), Shard(0)
    assert shard.cursor == BEFORE_THE_FIRST
    first = drive(shard, log[:3])
    assert shard.cursor == 2
    assert [*first, *drive(shard, log[3:])] == drive(Shard(0), log)
    assert shard.cursor == len(log) - 1


def test_what_was_taken_in_leads_to_nothing():
    log, shard = told(), Shard(0)
    drive(shard, log)
    before = dict(shard.tables.entries())
    for offset, event in enumerate(log):
        assert take(shard, offset, event) == ()
    pass_over(shard, 0)
    assert shard.tables.entries() == before


def test_an_offset_without_a_record_only_moves_the_cursor():
    log, shard, gapless = told(), Shard(0), Shard(0)
    drive(gapless, log)
    for place, event in enumerate(log):
        pass_over(shard, 2 * place)
        take(shard, 2 * place + 1, event)
    assert shard.cursor == 2 * len(log) - 1
    entries = [
        {**each.tables.entries(), "cursor": None, keys.rules(RULES): None} for each in (shard, gapless)
    ]
    assert entries[0] == entries[1]


def test_the_workers_fold_leaves_the_same_state():
    log, shard, folded = told(), Shard(0), Shard(0)
    drive(shard, log)
    fold_log(folded, enumerate(map(encode, log)))
    assert shard.tables.entries() == folded.tables.entries()


def test_a_record_that_cannot_be_told_halts_the_shard_at_it():
    log, shard = told(), Shard(0)
    drive(shard, log)
    (halted,) = halt_at_last_record(shard, shard.cursor, log[-1], ValueError("too large"))
    assert isinstance(halted, ShardHalted)
    assert "too large" in halted.reason
    assert shard.cursor == len(log) - 1
