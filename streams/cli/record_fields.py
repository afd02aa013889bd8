"""Print a record's fields for people: one line each, with units."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.messages.versions import TYPE_FIELD, VERSION_FIELD, type_and_version
from pipeline.venues.wallet import token_logs as tokens
from streams.cli.venues.event_names import topic_names
from streams.cli.venues.registry import event_names
from streams.human_numbers import bps_text, seconds_text, short
from streams.plain_json import MALFORMED, plain_json


def fields_of(value: bytes | None) -> dict[str, Any]:
    """Read a record's fields; none where its value is not a JSON object."""
    try:
        fields = plain_json(value or b"null")
    except MALFORMED:
        return {}
    return with_plain_type(fields) if isinstance(fields, dict) else {}


def with_plain_type(fields: dict[str, Any]) -> dict[str, Any]:
    """Put a message's version, which its type ends with, into a field of its own."""
    stated = type_and_version(fields.get(TYPE_FIELD))
    if stated is None or stated[1] == 1:
        return fields
    return {**fields, TYPE_FIELD: stated[0], VERSION_FIELD: str(stated[1])}


def with_stated_type(fields: dict[str, Any]) -> dict[str, Any]:
    """Undo `with_plain_type`: put a message's version back behind its type, as its readers want it."""
    if VERSION_FIELD not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != VERSION_FIELD}
    return {**rest, TYPE_FIELD: f"{fields[TYPE_FIELD]}.{fields[VERSION_FIELD]}"}


def json_of(value: bytes | None) -> str:
    """Show a record's value as JSON; bytes that are not JSON become a JSON string."""
    if value is None:
        return "null"
    try:
        plain_json(value)
        return value.decode()
    except MALFORMED:
        return json.dumps(value.decode(errors="replace"))


def field_lines(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Spread a message over dotted names. Integers stay the decimal strings that they are on the wire."""
    for name, value in fields.items():
        match value:
            case {"address": str(), "topics": list()}:
                yield prefix + name, _log_text(value)
            case {"symbol": str(symbol), "address": str(address), "decimals": str(decimals)}:
                yield prefix + name, f"{symbol} {address}, {decimals} decimals"
            case dict():
                yield from field_lines(value, f"{prefix}{name}.")
            case list() if value and isinstance(value[0], dict):
                yield from field_lines({f"{name}[{i}]": item for i, item in enumerate(value)}, prefix)
            case list():
                yield prefix + name, " ".join(map(str, value)) or "none"
            case _:
                yield prefix + name, _value_text(name, value)


def _log_text(log: Mapping[str, Any]) -> str:
    topic = log["topics"][0] if log["topics"] else ""
    name = _EVENT_NAMES.get(topic, short(topic))
    return f"{name} of {log['address']}, log {log['log_index']} in {short(log['transaction_hash'])}"


def _value_text(name: str, value: Any) -> str:
    """Show a value as on the wire, with its sense beside it where its name tells the unit."""
    if value in (None, ""):
        return "none"
    if not isinstance(value, str) or not value.lstrip("-").isdigit():
        return str(value)
    if name.endswith("_bps"):
        return f"{value} ({bps_text(int(value))})"
    if name.endswith("timestamp_s"):
        return f"{value} ({datetime.fromtimestamp(int(value), UTC):%Y-%m-%d %H:%M:%S} UTC)"
    if name.endswith("_s"):
        return f"{value} ({seconds_text(int(value))})"
    return value


_EVENT_NAMES = {**event_names(), **topic_names(tokens)}
