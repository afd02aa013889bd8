"""JSON Schema of every type that is written to a topic, as it is on the wire: integers are decimal strings.

The dialect is draft 07, which AsyncAPI builds on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from streams.kafka.schemas.notes import field_notes

Schema = dict[str, Any]

INTEGER: Mapping[str, str] = {"type": "string", "pattern": "^(0|-?[1-9][0-9]*)$"}
"""A decimal string in canonical form."""
DIALECT = "http://json-schema.org/draft-07/schema#"


def schemas_of(kinds: Sequence[type[msgspec.Struct]], *, at: str) -> dict[str, Schema]:
    """Describe types and all types that they contain, by name; references are `at` + name."""
    _, found = msgspec.json.schema_components(kinds, ref_template=at + "{name}")
    structs = {kind.__name__: kind for kind in structs_of(kinds)}
    return {name: _with_notes(_on_the_wire(found[name]), structs[name]) for name in sorted(found)}


def schema_of(kind: type[msgspec.Struct]) -> Schema:
    """Describe one type by a document that stands alone."""
    definitions = schemas_of([kind], at="#/definitions/")
    return {
        "$schema": DIALECT,
        "$ref": f"#/definitions/{kind.__name__}",
        "definitions": definitions,
    }


def structs_of(kinds: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """List types and all types that their fields contain, each once."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[inspect.Type] = [inspect.type_info(kind) for kind in kinds]
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType):
            if info.cls in found:
                continue
            found[info.cls] = None
        waiting += _parts(info)
    return list(found)


def _parts(info: inspect.Type) -> Iterator[inspect.Type]:
    match info:
        case inspect.StructType():
            yield from (field.type for field in info.fields)
        case inspect.VarTupleType():
            yield info.item_type
        case inspect.TupleType():
            yield from info.item_types
        case inspect.UnionType():
            yield from info.types
        case inspect.DictType():
            yield info.value_type


def _on_the_wire(schema: Any) -> Any:
    """Replace what the wire and draft 07 write in another form: integers, their defaults, rows, discriminators."""
    if isinstance(schema, list):
        return [_on_the_wire(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _on_the_wire(value) for name, value in schema.items() if name != "discriminator"}
    if schema.get("type") == "integer":
        told = {**told, **INTEGER}
    if "prefixItems" in told:
        told["items"], told["additionalItems"] = told.pop("prefixItems"), False
    if "default" in schema:
        told["default"] = _default(schema["default"])
    return told


def _default(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _default(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_default(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _with_notes(schema: Schema, kind: type[msgspec.Struct]) -> Schema:
    """Add a field's note to its property; draft 07 ignores anything beside a reference, which is wrapped for that."""
    properties = dict(schema.get("properties", {}))
    for name, note in field_notes(kind).items():
        if name in properties:
            own = properties[name]
            properties[name] = {"description": note} | ({"allOf": [own]} if "$ref" in own else own)
    return {**schema, "properties": properties}
