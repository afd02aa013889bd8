"""Each kind of output is written to its topic, in its shard's partition."""

import pytest
from any_message import structs
from forms import OUTPUTS as EVERY_OUTPUT
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.messages.views import Rewound, ViewRemoved
from pipeline.units import ShardId
from streams.kafka.topics import DECISIONS, OUTPUTS, TOPICS, TopicRecord
from streams.work.fold import _written

KINDS = sorted({kind for topic in OUTPUTS for kind in topic.messages}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_output_has_its_topics(kind, data):
    records = list(_written(ShardId(3), [data.draw(structs(kind))]))
    assert [record.topic for record in records] == [topic.name for topic in OUTPUTS if kind in topic.messages]
    assert {record.partition for record in records} == {3}
    assert all(record.value for record in records)


@pytest.mark.parametrize("kind", DECISIONS.messages, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_decision_lies_under_the_book_or_the_item_that_it_is_about(kind, data):
    said = data.draw(structs(kind))
    subjects = [
        f"book/{said.book}" if hasattr(said, "book") else None,
        getattr(said, "item", None),
        f"pool/{said.pool}" if hasattr(said, "pool") else None,
        "rewound" if kind is Rewound else "shard/3",
    ]
    wanted = next(subject for subject in subjects if subject is not None)
    keys = {record.key.decode() for record in _written(ShardId(3), [said]) if record.topic == DECISIONS.name}
    assert keys == {wanted}


def test_no_output_is_without_a_topic():
    said = {kind for topic in TOPICS.values() for kind in topic.messages}
    assert {*EVERY_OUTPUT} <= said


@given(structs(ViewRemoved), st.sampled_from(["pool-states", "positions", "books"]))
def test_what_is_gone_becomes_a_tombstone(removed, view):
    [record] = _written(ShardId(3), [type(removed)(**{**_fields(removed), "topic": view})])
    assert record == TopicRecord(f"{view}.v1", removed.key.encode(), None, ShardId(3))


def _fields(message: ViewRemoved) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}
