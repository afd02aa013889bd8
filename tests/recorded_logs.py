"""Logs of real deployments with the results that followed from them: recorded once, and folded again by every later version.

A recording is two gzipped files of JSON lines: the shard's records, and what each led to on decisions.v1 and
intents.v1. What goes to the other topics, and the state at the end, are kept as digests. Which form a record has, and under which
rules it was decided, is not compared: what it says is.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.state.shard import Shard
from pipeline.units import Offset, ShardId
from streams.kafka.codec import encode_entry
from streams.kafka.topics import DECISIONS, INTENTS
from streams.work.fold import fold_record

LOGS = Path(__file__).parent / "golden" / "logs"
KEPT_WHOLE = (DECISIONS.name, INTENTS.name)
_OF_FORMS = ("version", "rules")


class Recording(NamedTuple):
    """One shard's log."""

    name: str
    shard: ShardId
    records: Sequence[tuple[Offset, bytes]]


class Outcome(NamedTuple):
    """What follows from a log."""

    said: list[dict[str, object]]
    """On the topics that are kept whole: the offset that led to it, topic, key and value."""
    digests: dict[str, str]
    """Of each other topic's records, and of the state."""


def outcome_of(recording: Recording) -> Outcome:
    """Fold a recording from nothing."""
    shard, said = Shard(recording.shard), []
    digests: dict[str, Any] = {}
    for offset, payload in recording.records:
        for output in fold_record(shard, offset, payload):
            if output.topic in KEPT_WHOLE:
                value = _said(output.value)
                said.append(
                    {"offset": offset, "topic": output.topic, "key": output.key.decode(), "value": value}
                )
            else:
                digest = digests.setdefault(output.topic, hashlib.sha256())
                digest.update(b"%d\n%s\n%s\n" % (offset, output.key, _bytes(_said(output.value))))
    state = hashlib.sha256()
    for key, entry in sorted(shard.tables.entries().items()):
        if not key.startswith("rules/"):
            state.update(b"%s\n%s\n" % (key.encode(), _bytes(_said(encode_entry(entry)))))
    hexes = {topic: digest.hexdigest() for topic, digest in sorted(digests.items())}
    return Outcome(said, {**hexes, "state": state.hexdigest()})


def _said(value: bytes | None) -> dict[str, object] | None:
    """Tell what a record says, whatever its form."""
    if value is None:
        return None
    fields = json.loads(value)
    fields |= {"type": fields["type"].partition(".")[0]} if "type" in fields else {}
    return {name: field for name, field in fields.items() if name not in _OF_FORMS}


def _bytes(said: dict[str, object] | None) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def names() -> list[str]:
    """List the recordings there are."""
    return sorted(path.name.removesuffix(".log.gz") for path in LOGS.glob("*.log.gz"))


def read_log(name: str) -> Recording:
    """Read a recording's log."""
    shard, *records = _lines(LOGS / f"{name}.log.gz")
    return Recording(
        name, ShardId(shard["shard"]), [(Offset(each["offset"]), each["event"].encode()) for each in records]
    )


def read_outcome(name: str) -> Outcome:
    """Read what followed from it."""
    digests, *said = _lines(LOGS / f"{name}.said.gz")
    return Outcome(said, digests)


def write_log(recording: Recording) -> None:
    """Write a log."""
    records = [{"offset": offset, "event": payload.decode()} for offset, payload in recording.records]
    _write(LOGS / f"{recording.name}.log.gz", [{"shard": recording.shard}, *records])


def write_outcome(name: str, outcome: Outcome) -> None:
    """Write what follows from a log."""
    _write(LOGS / f"{name}.said.gz", [outcome.digests, *outcome.said])


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def _write(path: Path, lines: Iterable[object]) -> None:
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
