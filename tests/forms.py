"""An example record of every type on the topics, and a digest of each type's form."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import inspect

from pipeline.messages.entries import ENTRY_TYPES
from pipeline.messages.events import EVENT_TYPES
from pipeline.messages.journal import AnyJournal, JournalRecord
from pipeline.messages.policy import Policy, version_of
from pipeline.messages.processes import ProcessSeen
from pipeline.messages.versions import version_of_type
from pipeline.venues.registry import all_forms
from streams.kafka.codec import OUTPUT_TYPES, encode, encode_entry, encode_record

EVENTS = (*EVENT_TYPES, *all_forms().reads)
OUTPUTS = (*OUTPUT_TYPES, *all_forms().outputs)
ENTRIES = {**ENTRY_TYPES, **all_forms().entries}

RECORDS = Path(__file__).parent / "golden" / "records.jsonl"


class GoldenRecord(NamedTuple):
    """A record as a release wrote it."""

    name: str
    version: int
    family: str
    """Of an entry: what its key begins with. Of a message: empty."""
    form: str
    payload: str


def kinds() -> dict[tuple[str, str], type[msgspec.Struct]]:
    """List every type by its name and, for an entry, its key's family."""
    messages = (*EVENTS, *OUTPUTS, *get_args(AnyJournal), JournalRecord, ProcessSeen)
    return {(kind.__name__, ""): kind for kind in messages} | {
        (kind.__name__, family): kind for family, kind in ENTRIES.items()
    }


def golden_record(kind: type[msgspec.Struct], family: str) -> GoldenRecord:
    """Write an example record of a type in its present form."""
    payload = encode_entry(example(kind)) if family else _message(kind)
    return GoldenRecord(kind.__name__, version_of_type(kind), family, form_of(kind), payload.decode())


def _message(kind: type[msgspec.Struct]) -> bytes:
    if kind is JournalRecord:
        return encode_record(7, "ab", encode(example(get_args(AnyJournal)[0])))
    return encode(example(kind))


def read_records() -> list[GoldenRecord]:
    """Read the recorded records."""
    return [GoldenRecord(*json.loads(line)) for line in RECORDS.read_text().splitlines()]


def write_records(records: list[GoldenRecord]) -> None:
    """Write one line per record, ordered by name, family and version."""
    ordered = sorted(records, key=lambda each: (each.name, each.family, each.version))
    RECORDS.write_text("".join(json.dumps(list(each), separators=(",", ":")) + "\n" for each in ordered))


# ------------------------------------------------------------------ an example of a type
def example(kind: type[msgspec.Struct]) -> Any:
    """Fill every field of a type: each text with the field's name, each integer with its position."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    made = kind(
        **{
            field.name: _value(field.type, field.name, place)
            for place, field in enumerate(described.fields, 1)
        }
    )
    return (
        msgspec.structs.replace(made, policy_version=version_of(made)) if isinstance(made, Policy) else made
    )


def _value(info: inspect.Type, name: str, place: int) -> Any:
    match info:
        case inspect.IntType():
            return place
        case inspect.StrType():
            return name
        case inspect.BoolType():
            return True
        case inspect.BytesType():
            return name.encode()
        case inspect.LiteralType():
            return info.values[0]
        case inspect.StructType():
            return example(info.cls)
        case inspect.VarTupleType():
            return tuple(_value(each, name, place) for each in _members(info.item_type))
        case inspect.TupleType():
            return tuple(_value(each, name, place) for each in info.item_types)
        case inspect.DictType():
            return {}
        case inspect.UnionType():
            return _value(_members(info)[0], name, place)
    raise AssertionError(info)


def _members(info: inspect.Type) -> list[inspect.Type]:
    """List the types that a value may have, without None."""
    types = info.types if isinstance(info, inspect.UnionType) else (info,)
    return [each for each in types if not isinstance(each, inspect.NoneType)]


# ------------------------------------------------------------------ the form of a type
def form_of(kind: type[msgspec.Struct]) -> str:
    """Compute the digest of a type's form: fields, their types and defaults, at all levels."""
    return hashlib.sha256(repr(_form(inspect.type_info(kind))).encode()).hexdigest()[:16]


def _form(info: inspect.Type) -> object:
    match info:
        case inspect.StructType():
            fields = [
                (each.encode_name, _form(each.type), each.required, repr(each.default))
                for each in info.fields
            ]
            return [info.tag_field, info.tag, fields]
        case inspect.VarTupleType():
            return ["many", _form(info.item_type)]
        case inspect.TupleType():
            return ["row", *map(_form, info.item_types)]
        case inspect.DictType():
            return ["map", _form(info.value_type)]
        case inspect.UnionType():
            return ["any", *sorted((_form(each) for each in info.types), key=repr)]
        case inspect.LiteralType():
            return ["one of", *sorted(map(repr, info.values))]
    return type(info).__name__
