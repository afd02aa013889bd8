"""Print the records of a topic for `topics tail`: in words, field by field, as JSON or as CSV."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from rich.text import Text

from pipeline import keys
from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.messages.base import Output
from pipeline.messages.policy import Policy
from pipeline.units import BookId
from streams.cli.console import out, print_json, print_line
from streams.cli.record_fields import fields_of, json_of
from streams.cli.sentences import sentence
from streams.human_numbers import short
from streams.kafka.codec import decode_output
from streams.kafka.readers import Record
from streams.kafka.topics import DECISIONS
from streams.plain_json import MALFORMED, plain_json
from streams.plain_text import one_line

Way = Literal["words", "raw", "json", "csv"]

_UNSAID = frozenset({"version", "because_of", "policy_version"})


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which records of a topic are asked for."""

    book: str | None = None
    kind: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, record: Record) -> bool:
        """Return whether a record is one of them."""
        if self.since_ms is not None and record.timestamp_ms < self.since_ms:
            return False
        if self.until_ms is not None and record.timestamp_ms >= self.until_ms:
            return False
        if self.book is None and self.kind is None:
            return True
        fields = fields_of(record.value)
        return self.kind in (None, fields.get("type")) and self.book in (None, _book_of(record, fields))


class Printer:
    """Prints records one way: in words, field by field, as JSON or as CSV."""

    def __init__(self, way: Way, policies: Mapping[BookId, Policy]) -> None:
        """Print the heading, where there is one."""
        self._way = way
        self._policies = policies
        if way == "csv":
            print_line(",".join(_CSV))

    def print(self, record: Record) -> None:
        """Print a record: where it stands, and what it says."""
        key = None if record.key is None else record.key.decode(errors="replace")
        if self._way == "json":
            place = json.dumps(
                {"topic": record.topic, "shard": str(record.shard), "offset": str(record.offset), "key": key}
            )
            print_json(f'{place[:-1]}, "value": {json_of(record.value)}}}')
        elif self._way == "csv":
            print_line(self._csv(record, key))
        else:
            when = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).strftime("%H:%M:%S")
            says = self._words(record) if self._way == "words" else None
            text = one_line(says or _summary(key, record.value))
            out().print(
                Text.assemble((f"{when} {record.shard}@{record.offset} ", "dim"), text), soft_wrap=True
            )

    def _words(self, record: Record) -> str | None:
        """Say a decision in a sentence, with the id by which `why` finds it; None for anything else."""
        if not record.topic.endswith(f".{DECISIONS.name}") or record.value is None:
            return None
        try:
            said = decode_output(record.value, where=record.where)
        except MalformedRecordError:
            return None
        except NewerRecordError as error:
            return f"{_summary(None, record.value)} [{error}]"
        if not isinstance(said, Output):
            return None
        policy = self._policies.get(BookId(getattr(said, "book", "")))
        return f"{type(said).__name__} {sentence(said, policy)} [{said.id}]"

    def _csv(self, record: Record, key: str | None) -> str:
        fields = fields_of(record.value)
        when = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
        block = _block_of(fields)
        cells = [when, record.shard, record.offset, key or "", fields.get("type", ""), fields.get("id", "")]
        cells += [_book_of(record, fields) or "", block, self._words(record) or "", json_of(record.value)]
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(map(str, cells))
        return line.getvalue()


_CSV = ("time", "shard", "offset", "key", "type", "id", "book", "block", "sentence", "value")


def _book_of(record: Record, fields: Mapping[str, Any]) -> str | None:
    """Find the book that a record names, in itself, in its policy or in its key."""
    match fields:
        case {"book": str(book)} | {"policy": {"book": str(book)}}:
            return book
    key = (record.key or b"").decode(errors="replace")
    return keys.book.parse(key)[0] if keys.book.matches(key) else None


def _block_of(fields: Mapping[str, Any]) -> str:
    match fields:
        case {"because_of": {"block": {"number": str(number)}}} | {"block": {"number": str(number)}}:
            return number
    return ""


def _summary(key: str | None, value: bytes | None) -> str:
    """Describe in a line what a record holds."""
    if value is None:
        return f"{key}: gone"
    try:
        fields = plain_json(value)
    except MALFORMED:
        return f"{key or ''} no JSON, {len(value)} bytes"
    if not isinstance(fields, dict):
        return f"{key or ''} {json.dumps(fields)}"
    kind = str(fields.pop("type", None) or key or "record")
    parts = [_part(name, item) for name, item in fields.items() if name not in _UNSAID]
    return " ".join([kind, *filter(None, parts)])


def _part(name: str, item: Any) -> str:
    match item:
        case {"number": str(number), "hash": str(block_hash)}:
            return f"{name}={number}/{short(block_hash)}"
        case {"book": str(book), "policy_version": str(policy_version)}:
            return f"book={book} policy={policy_version[:12]}"
        case dict():
            return ""
        case list():
            return f"{name}={len(item)}x" if item else ""
        case str():
            return f"{name}={json.dumps(short(item) if item.startswith('0x') else item, ensure_ascii=False)[1:-1]}"
    return f"{name}={json.dumps(item)}"
