"""Write docs/topics.md: each topic and each field of its messages."""

from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.messages.versions import version_of_type
from streams.kafka.schemas.asyncapi import is_in_transactions
from streams.kafka.schemas.json_schema import INTEGER, Schema, schemas_of
from streams.kafka.schemas.notes import first_sentence
from streams.kafka.topics import TOPICS, Topic

_AT = "#"
_BEGINNING = """# Topics and messages

Made by `make topic-docs` from the code; the same as an AsyncAPI 3 document is [asyncapi.json](asyncapi.json), and `evenkeel topics
schema TYPE` prints one type as JSON Schema. What the messages mean is in [stream.md](stream.md), how to read them with other tools in
[reading-topics.md](reading-topics.md).

Topic names begin with `evenkeel-<chain id>.`. An *integer* is a decimal string. A field marked with `?` may be missing in records of
older versions, or where it would say nothing. Pass over fields that you do not know.
"""


def page() -> str:
    """Write the whole page."""
    kinds = list(dict.fromkeys(kind for topic in TOPICS.values() for kind in topic.messages))
    schemas = schemas_of(kinds, at=_AT)
    messages = {kind.__name__ for kind in kinds}
    parts = [_BEGINNING, *(_topic(topic) for topic in TOPICS.values()), "## Messages\n"]
    parts += [
        _message(kind, schemas[kind.__name__]) for kind in sorted(kinds, key=lambda each: each.__name__)
    ]
    parts.append("## What messages hold\n")
    parts += [_section(name, schemas[name]) for name in schemas if name not in messages]
    return "\n".join(parts)


def _topic(topic: Topic) -> str:
    kept = ", ".join(f"`{name}={value}`" for name, value in topic.kept.items())
    how = "in transactions" if is_in_transactions(topic) else "without transactions"
    held = ", ".join(f"[{kind.__name__}](#{kind.__name__.lower()})" for kind in topic.messages)
    return f"## {topic.name}\n\nKeyed by {topic.key}, written {how}; {kept}.\n\n{held}\n"


def _message(kind: type[msgspec.Struct], schema: Schema) -> str:
    version = version_of_type(kind)
    about = first_sentence(kind)
    told = "\n\n".join(part for part in (about, f"Version {version}." if version > 1 else "") if part)
    return _section(kind.__name__, schema | {"description": told})


def _section(name: str, schema: Schema) -> str:
    about = str(schema.get("description", "")).partition("\n\n    ")[0].strip()
    rows = "\n".join(_rows(schema))
    table = f"| field | is | |\n|---|---|---|\n{rows}\n" if rows else ""
    return "\n".join(part for part in (f"### {name}\n", f"{about}\n" if about else "", table) if part)


def _rows(schema: Schema) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for field, own in schema.get("properties", {}).items():
        mark = "" if field in required else " ?"
        yield f"| `{field}`{mark} | {kind_in_words(own)} | {str(own.get('description', '')).replace('|', '/')} |"


def kind_in_words(schema: Any) -> str:
    """Describe a schema in a few words: `integer`, `list of [RawLog](#rawlog)`, `text or null`."""
    if schema.get("pattern") == INTEGER["pattern"]:
        return "integer"
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_AT)
        return f"[{name}](#{name.lower()})"
    if "allOf" in schema:
        return kind_in_words(schema["allOf"][0])
    if "anyOf" in schema:
        return " or ".join(kind_in_words(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("items", {})
        row = ", ".join(map(kind_in_words, items)) if isinstance(items, list) else ""
        return f"row of {row}" if row else f"list of {kind_in_words(items)}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"map of {kind_in_words(values)}" if isinstance(values, dict) else "object"
    if schema.get("contentEncoding") == "base64":
        return "bytes, base64"
    return {"string": "text", "boolean": "true or false", "number": "number", None: "anything"}.get(
        schema.get("type"), str(schema.get("type"))
    )
