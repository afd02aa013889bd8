"""`topics schema` and `topics asyncapi`: print the schemas of messages for other programs."""

import sys
from importlib.metadata import version
from typing import Annotated

import msgspec
import typer

from pipeline.errors import SettingsError
from streams.kafka.topics import TOPICS
from streams.yaml_positions import did_you_mean


def complete_types(incomplete: str) -> list[str]:
    """List the types of messages that begin so."""
    return [name for name in sorted(_kinds()) if name.startswith(incomplete)]


def schema(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="A message's type: RebalanceProposed, BookView, ...",
            autocompletion=complete_types,
        ),
    ],
) -> None:
    """Print a message's form as JSON Schema, draft 07."""
    from streams.kafka.schemas.json_schema import schema_of  # noqa: PLC0415 - reads source code

    kinds = _kinds()
    if kind not in kinds:
        raise SettingsError(f"unknown message type {kind!r}{did_you_mean(kind, kinds)}")
    _print(schema_of(kinds[kind]))


def asyncapi() -> None:
    """Print all topics and messages as an AsyncAPI 3 document."""
    from streams.kafka.schemas.asyncapi import document  # noqa: PLC0415 - reads source code

    _print(document(version("evenkeel")))


def _kinds() -> dict[str, type[msgspec.Struct]]:
    return {kind.__name__: kind for topic in TOPICS.values() for kind in topic.messages}


def _print(form: dict[str, object]) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(form)).decode() + "\n")
