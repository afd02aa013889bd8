"""Records that do not belong in a shard's log change nothing, and the next block is applied.

Bytes that are not a message, records of other terms, blocks out of order, twice or of a foreign branch, reverts
to unknown places, reads at other blocks: at any place of the log, in any number.
"""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
from builders import policy, started
from forgery import IGNORED, KINDS, SET_ASIDE, malformed_records
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from noise import first_block, noisy, story

from pipeline.errors import UNREADABLE
from pipeline.follow.routes import Arrival, follow
from pipeline.messages.base import Output
from pipeline.messages.decisions import BlockSetAside, Declined, RebalanceProposed
from pipeline.messages.entries import DecidedUnder, SetAside
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksReverted, Paused, Resumed
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables, Value
from pipeline.units import Offset, ShardId
from streams.kafka.codec import decode_event, decode_output, encode
from streams.kafka.topics import DEAD_LETTERS, TopicRecord
from streams.work.fold import fold_log

# a failure is told by its seed; to shrink it would take minutes
few = settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
NEVER_TOLD = ("set-aside", "cursor")
"""What noise may leave among the entries."""

noises = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(sorted(KINDS)), st.integers(0, 2**32)),
    min_size=1,
    max_size=12,
)
"""Where, what, and with which dice."""


def fold(payloads: Sequence[bytes | None]) -> tuple[dict[str, Value], list[TopicRecord]]:
    shard = Shard(ShardId(0))
    said = fold_log(shard, enumerate(payloads))
    return {k: v for k, v in shard.tables.changes().items() if v is not None}, said


def without_trace(entries: dict[str, Value]) -> dict[str, Value]:
    """Return the entries without those that state offsets of the log."""
    return {
        key: replace(value, first_offset=Offset(0)) if isinstance(value, DecidedUnder) else value
        for key, value in entries.items()
        if key not in NEVER_TOLD
    }


def told(said: Sequence[TopicRecord]) -> list[tuple[str, bytes, Any]]:
    """Return the outputs without alerts of blocks set aside and without their causes' offsets."""
    return [
        (record.topic, record.key, None if record.value is None else _anywhere(record.value))
        for record in said
        if record.value is None or b'"BlockSetAside"' not in record.value
    ]


def _anywhere(payload: bytes) -> Any:
    said = msgspec.to_builtins(decode_output(payload))
    kind, *_, digest = said["id"].split(".")
    return {**said, "id": (kind, digest), "because_of": {**said["because_of"], "offset": None}}


@few
@given(st.integers(0, 2**32), noises)
def test_strange_records_move_nothing(seed, strange):
    log = story(seed).log
    calm, expected = fold([encode(event) for event in log])
    rough, said = fold([encode(event) for event in noisy(log, strange)])
    assert without_trace(rough) == without_trace(calm)
    assert told(said) == told(expected)


@few
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 2**32)), min_size=1, max_size=6),
)
def test_bytes_that_are_no_message_become_dead_letters_and_nothing_else(seed, strange):
    calm: list[bytes | None] = [encode(event) for event in story(seed).log]
    entries, expected = fold(calm)
    rough, written = list(calm), 0
    for place, dice in strange:
        garbage = malformed_records(random.Random(dice), calm)
        at = place % (len(rough) + 1)
        rough[at:at] = garbage
        written += len(garbage)
    left, said = fold(rough)
    letters = [record for record in said if record.topic == DEAD_LETTERS.name]
    assert len(letters) == written
    assert without_trace(left) == without_trace(entries)
    assert told([record for record in said if record not in letters]) == told(expected)


@few
@given(st.integers(0, 2**32), st.sampled_from(sorted(SET_ASIDE)), st.integers(0, 2**32))
def test_nothing_is_decided_while_something_is_set_aside(seed, kind, dice):
    """Operators are heard, policies hold; decisions wait for a block that attaches."""
    watcher = story(seed)
    shard = Shard(ShardId(0))

    def take(*events: AnyEvent) -> list[Output]:
        records = fold_log(shard, enumerate(map(encode, events), shard.cursor + 1))
        return [decode_output(record.value) for record in records if record.value]

    take(*watcher.log)
    strange = KINDS[kind](random.Random(dice), shard.tables)
    head = shard.tables.head
    assert [type(said) for said in take(strange)] == [BlockSetAside]
    assert take(strange, strange) == []
    assert shard.tables.need("set-aside", SetAside).count == 3
    heard = take(
        Paused(scope="book/alpha", reason="lunch", by="me"),
        Resumed(scope="book/alpha", reason="back", by="me"),
    )
    assert heard == []
    assert shard.tables.head == head
    before = len(watcher.log)
    watcher.block()
    outputs = take(*watcher.log[before:])
    assert shard.tables.find("set-aside", SetAside) is None
    assert shard.tables.head == watcher.chain.head
    assert not [said for said in outputs if isinstance(said, BlockSetAside)]


@few
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_policy_holds_also_while_something_is_set_aside(seed, dice):
    watcher = story(seed)
    watcher.append(SET_ASIDE["a block out of order"](random.Random(dice), watcher.routes))
    changed = policy(mode="watch")
    watcher.set_policy(changed)
    watcher.block()
    watcher.block(0)  # an NFT that came in the block before has been read by now
    _, said = fold([encode(event) for event in watcher.log])
    last = [decode_output(r.value) for r in said if r.value and r.topic == "decisions.v1"][-1]
    assert isinstance(last, Declined)
    assert (last.policy_version, last.gate) == (changed.policy_version, "mode")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 10**6), st.binary(max_size=12), st.integers(0, 40))
def test_whatever_bytes_come_they_are_a_message_or_said_to_be_none_or_newer(seed, place, inserted, removed):
    payloads = [encode(event) for event in started(seed % 4).log]
    whole = payloads[seed % len(payloads)]
    at = place % (len(whole) + 1)
    _read(whole[:at] + inserted + whole[at + removed :])


@example(b'"\x89":1')
@example(b'"x":"\x89"')
@example(b'"x":' + b"[" * 2_000 + b"]" * 2_000)
@given(st.binary(max_size=40))
def test_an_unknown_field_may_hold_anything(field):
    _read(b'{"type":"WriterStarted","term":"1","instance":"n1",' + field + b"}")


def _read(payload: bytes) -> None:
    try:
        event = decode_event(payload, where="here")
    except UNREADABLE as error:
        assert str(error).startswith("here: ")  # noqa: PT017
    else:
        assert decode_event(encode(event), where="there") == event


def test_the_noise_is_worth_hearing():
    """The properties above say something only if every kind of record is what it is named after."""
    watcher = story(1)
    for kind, forge in KINDS.items():
        tables = Tables()
        for event in watcher.log:
            follow(tables, event)
        before = dict(tables.entries())
        strange = forge(random.Random(3), tables)
        arrival = follow(tables, strange).arrival
        assert arrival.name != "APPLIES", kind
        assert (arrival.name == "SET_ASIDE") == (kind in SET_ASIDE), kind
        changed = {
            k for k in before.keys() | tables.entries().keys() if before.get(k) != tables.entries().get(k)
        }
        assert changed <= {"set-aside"}, kind
    assert _reads_elsewhere_of_what_is_wanted(watcher.log) == {Arrival.ELSEWHERE}
    said = [decode_output(r.value) for r in fold([encode(e) for e in watcher.log])[1] if r.value]
    assert {BlockSeen, BlocksReverted} <= {type(event) for event in watcher.log}
    assert {RebalanceProposed, Declined} & {type(output) for output in said}


def _reads_elsewhere_of_what_is_wanted(log: Sequence[AnyEvent]) -> set[Arrival]:
    """Forge reads while the book is being read for the first time."""
    tables, arrivals = Tables(), set()
    for event in log[: first_block(log) + 1]:
        follow(tables, event)
    for dice in range(4):
        arrivals.add(follow(tables, IGNORED["a read at another block"](random.Random(dice), tables)).arrival)
    return arrivals
