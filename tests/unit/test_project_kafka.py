"""Kafka clients are made in `streams/kafka/clients.py` alone, with a reason for every timeout."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka import clients
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import TOPICS

ROOT = Path(__file__).parents[2]
MADE_HERE = ROOT / "streams/kafka/clients.py"
CLIENTS = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaClient"}


def names_of(node: ast.AST) -> Iterator[str]:
    """Give what a call or a base class is called, however far away it was imported from."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            yield name
        case ast.ClassDef(bases=bases):
            yield from (ast.unparse(base).rpartition(".")[2] for base in bases)
        case ast.ImportFrom(names=names) | ast.Import(names=names):  # a client under another name
            yield from (each.name for each in names if each.asname)


def clients_made(text: str) -> list[str]:
    return [name for node in ast.walk(ast.parse(text)) for name in names_of(node) if name in CLIENTS]


def test_no_other_module_makes_a_client():
    found = {
        str(path.relative_to(ROOT)): made
        for path in (ROOT / "streams").rglob("*.py")
        if path != MADE_HERE and (made := clients_made(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert set(clients_made(MADE_HERE.read_text(encoding="utf-8"))) == CLIENTS - {"AIOKafkaClient"}


@pytest.mark.parametrize(
    "text",
    [
        "producer = AIOKafkaProducer(acks='all')",
        "import aiokafka\nconsumer = aiokafka.AIOKafkaConsumer()",
        "class Ours(AIOKafkaConsumer): pass",
        "from aiokafka import AIOKafkaProducer as Producer\nProducer()",
    ],
)
def test_a_client_made_elsewhere_is_found(text):
    assert clients_made(text)


@pytest.fixture
def access(monkeypatch) -> KafkaAccess:
    """Give an access to nothing; each client shows what it was made with."""
    for name in CLIENTS - {"AIOKafkaClient"}:
        monkeypatch.setattr(clients, name, lambda **settings: settings)
    return KafkaAccess("127.0.0.1:1")


def test_every_producer_waits_for_all_replicas(access):
    made = [
        clients.transactional_producer(access, "id"),
        clients.appending_producer(access),
        clients.plain_producer(access, request_s=1),
    ]
    assert {each["acks"] for each in made} == {"all"}
    assert [each.get("transactional_id") for each in made] == ["id", None, None]


def test_every_consumer_reads_what_is_committed_and_belongs_to_no_group(access):
    for made in (clients.reader(access), clients.follower(access)):
        assert made["isolation_level"] == "read_committed"
        assert made["enable_auto_commit"] is False
        assert "group_id" not in made
    assert clients.follower(access)["auto_offset_reset"] == "none"


def test_no_client_takes_less_than_its_topics():
    assert {topic.settings["max.message.bytes"] for topic in TOPICS.values()} == {
        str(clients.MAX_RECORD_BYTES)
    }
    assert clients.FAUST["consumer_max_fetch_size"] == clients.MAX_RECORD_BYTES
