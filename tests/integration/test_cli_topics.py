"""`topics` on a real broker: all committed records and no others; raw, filtered, and as CSV."""

import asyncio

import pytest
from aiokafka import TopicPartition
from cli_desk import PARTITIONS

from streams.cli import topics
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading
from streams.kafka.topics import (
    BOOKS,
    DECISIONS,
)

pytestmark = pytest.mark.kafka


def test_topics_are_listed_and_missing_ones_named(desk):
    nothing = desk.run("topics", "list")
    assert nothing.code == 1
    assert f"there is no topic evenkeel-{desk.chain_id}.events.v1" in nothing.err
    desk.create_topics()
    listed = desk.run("topics", "list", "--json").objects
    assert {"topic": f"evenkeel-{desk.chain_id}.books.v1", "records": ["0"] * PARTITIONS} in listed


def test_tail_shows_once_what_comes_while_it_begins_and_ends_with_what_was_there(desk, monkeypatch):
    desk.create_topics()
    desk.commit(1, (DECISIONS.name, "k", b'{"type":"Early"}'))

    async def meanwhile(*_):
        await desk._commit(1, ((DECISIONS.name, "k", b'{"type":"Late"}'),), "commit")
        return {}

    monkeypatch.setattr(topics, "_policies", meanwhile)
    for last in ("1", "5"):
        shown = desk.run("topics", "tail", "decisions", "--no-follow", "-n", last).out.splitlines()
        assert sum("Late" in line for line in shown) == (last == "5")
        assert sum("Early" in line for line in shown) == 1
        assert len(shown) == 1 + (last == "5")


def test_tail_shows_what_is_committed_and_nothing_else(desk):
    desk.create_topics()
    for i in range(5):
        desk.commit(1, (DECISIONS.name, "k", b'{"type":"Good","n":"%d"}' % i))
        desk.commit(1, (DECISIONS.name, "k", b'{"type":"Aborted"}'), then="abort")
    lines = desk.run("topics", "tail", "decisions", "--no-follow", "--from-beginning", "--json").objects
    assert [line["value"] for line in lines] == [{"type": "Good", "n": str(i)} for i in range(5)]
    assert all(isinstance(line["offset"], str) for line in lines)
    two = desk.run("topics", "tail", "decisions.v1", "--no-follow", "-n", "2", "--json").objects
    assert [line["value"]["n"] for line in two] == ["3", "4"]
    other = desk.run("topics", "tail", "decisions", "--no-follow", "--shard", "0")
    assert (other.code, other.out) == (0, "")
    beyond = desk.run("topics", "tail", "decisions", "--no-follow", "--shard", "7")
    assert "has no shard 7, only 0 to 2" in beyond.err


def test_tail_shows_what_is_no_json_and_tombstones(desk):
    desk.create_topics()
    desk.commit(0, (BOOKS.name, "book/x", b"\xff[red]no json"), (BOOKS.name, "book/x", None))
    shown = desk.run("topics", "tail", "books", "--no-follow")
    assert "book/x no JSON, 13 bytes" in shown.out
    assert "book/x: gone" in shown.out
    as_json = desk.run("topics", "tail", "books", "--no-follow", "--json").objects
    assert [line["value"] for line in as_json] == ["\ufffd[red]no json", None]


def test_a_place_is_found_among_neighbours_gaps_and_tombstones(desk):
    desk.create_topics()
    places = [3, 3, None, 4, 7, 7, None, None, 8, 9, None]
    desk.commit(0, *((BOOKS.name, "k", None if at is None else b"%d" % at) for at in places))

    async def first_of(place: int) -> int | None:
        async with reading(KafkaAccess(desk.bootstrap)) as reader:
            shard = TopicPartition(f"evenkeel-{desk.chain_id}.{BOOKS.name}", 0)
            place_of = lambda record: None if record.value is None else int(record.value)  # noqa: E731
            found = reader.read_from_first(shard, place_of, place)
            offsets = [record.offset async for record in found if place_of(record) == place]
            return offsets[0] if offsets else None

    async def first_of_each() -> dict[int, int | None]:
        return {place: await first_of(place) for place in range(2, 11)}

    found = asyncio.run(first_of_each())
    assert found == {place: places.index(place) if place in places else None for place in range(2, 11)}
