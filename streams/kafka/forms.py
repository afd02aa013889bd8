"""Decode records of several versions: the newest as it is, older ones upgraded, later ones reported as newer."""

import re
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from sys import intern
from typing import Any

import msgspec
from msgspec import inspect
from msgspec.structs import force_setattr

from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.messages.versions import (
    TYPE_FIELD,
    VERSION_FIELD,
    Fields,
    type_and_version,
    upgraded,
    version_of_type,
)
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.wire import wire_bytes, wire_form
from streams.plain_json import MALFORMED, plain_json

MAX_PAYLOAD_BYTES = MAX_RECORD_BYTES - 64 * 1024
"""What a record's value may have: the rest is for its key and the batch around it."""

_VERSIONED_ENTRY = b'{"version":"'
_ENTRY_VERSION = re.compile(rb'\{"version":"([2-9]|[1-9]\d{1,3})"')


class Messages:
    """Decodes the messages of a topic, told apart by their types."""

    def __init__(
        self, kinds: Sequence[type[Any]], *, upgrade: str, known_names: Callable[[], frozenset[str]]
    ) -> None:
        """Set the types, and who must be upgraded where a record is newer than this release.

        `known_names` gives the types of all topics: in the wrong topic such a one is malformed, not newer.
        """
        self._upgrade, self._known_names = upgrade, known_names
        self._versions = {kind.__name__: version_of_type(kind) for kind in kinds}
        # lax, as msgspec calls it: an integer may come as a string, as all of ours do
        self._decode = msgspec.json.Decoder(reduce(or_, kinds), strict=False).decode

    def read(self, payload: bytes, where: str) -> Any:
        """Decode a record. Raises: MalformedRecordError, NewerRecordError, both naming `where`."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise MalformedRecordError(f"{where}: {len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
        try:
            message = self._decode(payload)
        except MALFORMED as error:
            return self._read_older(payload, where, error)
        self._check(message, payload, where)
        return message

    def _check(self, message: Any, payload: bytes, where: str) -> None:
        """Accept any message that msgspec has decoded."""

    def _read_older(self, payload: bytes, where: str, error: Exception) -> Any:
        """Upgrade a record of an older version; of any other say why it cannot be decoded."""
        fields = object_in(payload)
        stated = type_and_version(fields.get(TYPE_FIELD))
        name, version = stated or ("", 0)
        newest = self._versions.get(name, 0)
        if stated is None or version == newest or (not newest and name in self._known_names()):
            raise MalformedRecordError(f"{where}: {error}") from error
        if version > newest:
            raise _newer(f"{where}: {name}", version, newest, self._upgrade, type_name=name) from error
        fields = upgraded(name, fields, version, newest, where=where)
        tag = name if newest == 1 else f"{name}.{newest}"
        return _made(self._decode, {**fields, TYPE_FIELD: tag}, f"{where}: of version {version}")


class StrictMessages(Messages):
    """Decodes messages, and refuses forms that our writers never write: they could be taken for other numbers."""

    def _check(self, message: Any, payload: bytes, where: str) -> None:
        if wire_bytes(message) != payload:
            refuse_another_value(payload, message, where)


class EntryForm:
    """Decodes the entries of one type."""

    def __init__(self, kind: Any, decode: Callable[[bytes], Any] | None = None) -> None:
        """Set a type, and the decoder of its newest version where msgspec alone does not suffice."""
        self._name, self._newest = kind.__name__, version_of_type(kind)
        self._decode = decode or msgspec.json.Decoder(kind, strict=False).decode
        self._texts = _texts_of(kind)

    def read(self, key: str, payload: bytes) -> Any:
        """Decode an entry. Raises: MalformedRecordError, NewerRecordError, both naming its key."""
        if self._newest > 1 or payload.startswith(_VERSIONED_ENTRY):
            version = _version_of_entry(payload)
            if version != self._newest:
                return self._read_older(key, payload, version)
        try:
            entry = self._decode(payload)
        except MALFORMED as error:
            raise MalformedRecordError(f"{key}: {error}") from error
        for name in self._texts:
            text = getattr(entry, name)
            if text is not None:
                force_setattr(entry, name, intern(text))
        return entry

    def _read_older(self, key: str, payload: bytes, version: int) -> Any:
        if version > self._newest:
            raise _newer(f"{key}: {self._name}", version, self._newest, "this one")
        fields = upgraded(self._name, object_in(payload), version, self._newest, where=key)
        fields = {**fields, VERSION_FIELD: str(self._newest)}
        return _made(self._decode, fields, f"{key}: of version {version}")


def _texts_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Name the fields of a type that hold a text, or none: of thousands of entries they name the same few pools and owners."""
    texts = (inspect.StrType(), inspect.UnionType((inspect.StrType(), inspect.NoneType())))
    info = inspect.type_info(kind)
    return (
        tuple(field.name for field in info.fields if field.type in texts)
        if isinstance(info, inspect.StructType)
        else ()
    )


def _version_of_entry(payload: bytes) -> int:
    found = _ENTRY_VERSION.match(payload)
    return 1 if found is None else int(found[1])


def _made(decode: Callable[[bytes], Any], fields: Fields, where: str) -> Any:
    """Build a value from upgraded fields, and check that it says the same as they do. Raises: MalformedRecordError."""
    payload = msgspec.json.encode(fields)
    try:
        made = decode(payload)
    except MALFORMED as error:
        raise MalformedRecordError(f"{where}: {error}") from error
    refuse_another_value(payload, made, where)
    return made


def _newer(what: str, version: int, newest: int, upgrade: str, *, type_name: str = "") -> NewerRecordError:
    known = f"known are versions up to {newest}" if newest else "which is not known here"
    return NewerRecordError(
        f"{what} of version {version}, {known}: written by a newer Evenkeel: upgrade {upgrade} first",
        type_name=type_name,
        is_known=bool(newest),
    )


def object_in(payload: bytes) -> Fields:
    """Return the fields of a JSON object; none where it is something else."""
    try:
        found = plain_json(payload)
    except MALFORMED:
        return {}
    return found if isinstance(found, dict) else {}


# ------------------------------------------------------------------ the same value
def refuse_another_value(payload: bytes, message: msgspec.Struct, where: str) -> None:
    """Refuse a value that msgspec took for another; spaces, another order, unknown and missing fields are allowed.

    Raises: MalformedRecordError naming `where` and the field.
    """
    try:
        found = plain_json(payload)
    except MALFORMED as error:  # in a field that we do not know, and so did not look into
        raise MalformedRecordError(f"{where}: {error}") from error
    difference = _difference(found, wire_form(message), "$")
    if difference is not None:
        raise MalformedRecordError(f"{where}: {difference}")


def _difference(found: Any, read: Any, path: str) -> str | None:
    if isinstance(read, dict):
        parts = [(found[key], item, f"{path}.{key}") for key, item in read.items() if key in found]
    elif isinstance(read, list | tuple):
        parts = [(*pair, f"{path}[...]") for pair in zip(found, read, strict=True)]
    elif found == read and type(found) is type(read):
        return None
    else:
        return f"{found!r} was read as {read!r} - at `{path}`"
    return next(filter(None, (_difference(*part) for part in parts)), None)
