"""Parse the shard and offset of an output's cause from its id and its fields, which anybody may have written."""

from typing import Any, NamedTuple

from streams.cli.record_fields import fields_of
from streams.kafka.readers import Record

_OFFSET_DIGITS = 19
"""An offset has no more."""


class LogPosition(NamedTuple):
    """Where in the log the cause of an output stands."""

    shard: int
    offset: int


def place_in(output_id: str) -> LogPosition | None:
    """Read shard and offset of the cause out of `kind.<shard>.<offset>.<digest>`."""
    match output_id.split("."):
        case [_, shard, offset, _] if _are_numbers(shard, offset):
            return LogPosition(int(shard), int(offset))
    return None


def cause_of(record: Record) -> LogPosition | None:
    match fields_in(record):
        case {"because_of": {"shard": str(shard), "offset": str(offset)}} if _are_numbers(shard, offset):
            return LogPosition(int(shard), int(offset))
    return None


def _are_numbers(*texts: str) -> bool:
    """Return whether texts are offsets as Kafka has them: anybody may have written them."""
    return all(text.isascii() and text.isdecimal() and len(text) < _OFFSET_DIGITS for text in texts)


def offset_of_cause(record: Record) -> int | None:
    place = cause_of(record)
    return place.offset if place else None


def fields_in(record: Record | None) -> dict[str, Any]:
    return {} if record is None else fields_of(record.value)
