"""The topics of a deployment as an AsyncAPI 3 document: addresses, keys, how long records are kept, and each message's form."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pipeline.messages.versions import version_of_type
from streams.kafka.schemas.json_schema import Schema, schemas_of
from streams.kafka.schemas.notes import first_sentence
from streams.kafka.topics import EVENTS, PROCESSES, TOPICS, Topic

CHAIN: Final = {
    "description": "The deployment's chain id: a deployment is one chain.",
    "examples": ["1", "8453"],
}
_READ_COMMITTED = "Written in transactions: read with isolation.level=read_committed."
_PLAIN = "Written without transactions, by idempotent producers."
_KAFKA_BINDING = "0.5.0"


def document(release: str) -> dict[str, Any]:
    """Describe all topics. `release` is the program's version: messages have versions of their own."""
    kinds = list(dict.fromkeys(kind for topic in TOPICS.values() for kind in topic.messages))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Evenkeel's topics",
            "version": release,
            "description": "What Evenkeel reads from and writes to Kafka. Every integer is a decimal string. Unknown fields must be passed over.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel(topic): _channel(topic) for topic in TOPICS.values()},
        "operations": dict(_operation(topic) for topic in TOPICS.values()),
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": schemas_of(kinds, at="#/components/schemas/"),
        },
    }


def channel(topic: Topic) -> str:
    """Return a topic's channel name: `decisions.v1` is `decisions`, `pool-states.v1` is `poolStates`."""
    plain = topic.name.removesuffix(".v1")
    return re.sub(r"-(\w)", lambda found: found[1].upper(), plain)


def is_in_transactions(topic: Topic) -> bool:
    """Return whether a topic's records are written in transactions."""
    return topic not in (EVENTS, PROCESSES)


def _channel(topic: Topic) -> Schema:
    return {
        "address": f"evenkeel-{{chain}}.{topic.name}",
        "description": f"Keyed by {topic.key}. {_READ_COMMITTED if is_in_transactions(topic) else _PLAIN}",
        "parameters": {"chain": CHAIN},
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in topic.messages
        },
        "bindings": {
            "kafka": {"topicConfiguration": _configuration(topic.kept), "bindingVersion": _KAFKA_BINDING}
        },
    }


def _configuration(kept: Mapping[str, str]) -> dict[str, Any]:
    """Return retention and compaction in the binding's form, which has no fields for other settings."""
    named: dict[str, Any] = {"cleanup.policy": kept["cleanup.policy"].split(",")}
    numbers = {name: int(kept[name]) for name in ("retention.ms", "retention.bytes") if name in kept}
    return named | numbers


def _operation(topic: Topic) -> tuple[str, Schema]:
    name = channel(topic)
    action = "receive" if topic is EVENTS else "send"
    return f"{action}{name[0].upper()}{name[1:]}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
    }


def _message(kind: type[msgspec.Struct]) -> Schema:
    return {
        "name": kind.__name__,
        "title": f"{kind.__name__}, version {version_of_type(kind)}",
        "summary": first_sentence(kind) or kind.__name__,
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }
