"""`why ID`: from an output back to its cause and the policy in force; on to an intent's receipt, or to a dry-run."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from aiokafka import TopicPartition
from rich.text import Text

from pipeline.errors import EvenkeelError
from streams.cli.console import AsJson, out, print_json, run, say, settings_for
from streams.cli.readable import field_lines
from streams.plain_text import one_line
from streams.readers import Reader, Record, reading
from streams.settings import Settings
from streams.topics import BOOKS, DECISIONS, EVENTS, INTENTS, POOL_STATES, POSITIONS, SWAPS, Topic

_TOPIC_OF: Mapping[str, Topic] = {
    "int": INTENTS,
    "pos": POSITIONS,
    "book": BOOKS,
    "swap": SWAPS,
    "pool": POOL_STATES,
}
"""By the kind that an id begins with; all others are decisions and alerts."""
_CHUNK_RECORDS = 2_000


class Place(NamedTuple):
    """Where in the log the cause of an output stands."""

    shard: int
    offset: int


class Found(NamedTuple):
    """One station on the way back."""

    station: str
    record: Record


def why(
    output_id: Annotated[
        str, typer.Argument(metavar="ID", help="An output's id, as in `topics tail decisions`.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Walk an output back: what it says, the record it follows from, and the policy in force."""
    settings = settings_for("why")
    for found in run(_walk(settings, output_id)):
        if as_json:
            _print_as_json(found)
        else:
            _print_for_people(found)


async def _walk(settings: Settings, output_id: str) -> list[Found]:
    """Find the stations. Raises: EvenkeelError if nothing has this id."""
    topic = _TOPIC_OF.get(output_id.partition(".")[0], DECISIONS)
    async with reading(settings.kafka) as reader:
        output = await _output(reader, topic.on(settings.chain), output_id)
        place = _cause_of(output) if output else _place_in(output_id)
        if place is None:
            raise EvenkeelError(f"nothing on {topic.name} has the id {output_id}")
        if output is None:
            say(
                f"the output is not on {topic.name}: newer ones may have replaced it, or the id is none of ours"
            )
        stations = [Found("output", output)] if output else []
        log = TopicPartition(EVENTS.on(settings.chain), place.shard)
        cause = await reader.record_at(log, place.offset)
        if cause is None:
            raise EvenkeelError(f"{log.topic}[{place.shard}] has no record at offset {place.offset}")
        policy = await _policy_before(reader, log, place.offset, _fields(output).get("book"))
        after = [found async for found in _aftermath(reader, log, place.offset, output_id)]
        after += [found async for found in _dry_run(reader, settings, place, output_id)]
        return [*stations, Found("cause", cause), *([Found("policy", policy)] if policy else []), *after]


# ------------------------------------------------------------------ what came of an intent
async def _aftermath(
    reader: Reader, log: TopicPartition, offset: int, output_id: str
) -> AsyncIterator[Found]:
    """Follow an intent on: what its signer reported, and the blocks in which its transaction stood."""
    if not output_id.startswith("int."):
        return
    digest = output_id.rpartition(".")[2]
    hashes: set[str] = set()
    _, end = (await reader.bounds([log]))[log]
    async for record in reader.read_between(log, offset + 1, end):
        fields = _fields(record)
        if fields.get("intent") == digest:
            hashes.add(fields.get("transaction_hash", ""))
            yield Found(f"report: {fields['type']}", record)
        elif any(receipt["transaction_hash"] in hashes for receipt in fields.get("receipts", ())):
            yield Found("in this block", record)


async def _dry_run(reader: Reader, settings: Settings, place: Place, output_id: str) -> AsyncIterator[Found]:
    """Follow a proposal that does not act on to what a dry-run of it came to."""
    if not output_id.startswith("reb."):
        return
    said = TopicPartition(DECISIONS.on(settings.chain), place.shard)
    async for record in reader.read_from_first(said, _offset_of_cause, place.offset):
        match _fields(record):
            case {"type": "ProposalTried", "proposal": str(proposal)} if output_id.endswith(f".{proposal}"):
                yield Found("dry-run", record)
                return


# ------------------------------------------------------------------ the output
async def _output(reader: Reader, topic: str, output_id: str) -> Record | None:
    place = _place_in(output_id)
    for shard in await reader.shards(topic, None if place is None else [place.shard]):
        candidates = (
            reader.read({shard: 0})  # its id does not tell the cause
            if place is None
            else reader.read_from_first(shard, _offset_of_cause, place.offset)
        )
        async for record in candidates:
            if _fields(record).get("id") == output_id:
                return record
            offset = _offset_of_cause(record)
            if place is not None and offset is not None and offset > place.offset:
                break  # causes only grow
    return None


def _place_in(output_id: str) -> Place | None:
    """Read shard and offset of the cause out of `kind.<shard>.<offset>.<digest>`."""
    match output_id.split("."):
        case [_, shard, offset, _] if shard.isdecimal() and offset.isdecimal():
            return Place(int(shard), int(offset))
    return None


def _cause_of(record: Record) -> Place | None:
    match _fields(record):
        case {"because_of": {"shard": str(shard), "offset": str(offset)}}:
            return Place(int(shard), int(offset))
    return None


def _offset_of_cause(record: Record) -> int | None:
    place = _cause_of(record)
    return place.offset if place else None


def _fields(record: Record | None) -> dict[str, Any]:
    if record is None or record.value is None:
        return {}
    fields = msgspec.json.decode(record.value)
    return fields if isinstance(fields, dict) else {}


# ------------------------------------------------------------------ the policy
async def _policy_before(reader: Reader, log: TopicPartition, offset: int, book: str | None) -> Record | None:
    """Find a book's newest policy at or before an offset, going back a chunk at a time."""
    end = offset + 1
    while book is not None and end > 0:
        start = max(0, end - _CHUNK_RECORDS)
        newest = None
        async for record in reader.read_between(log, start, end):
            if b'"PolicySet"' in (record.value or b"") and _sets(record, book):
                newest = record
        if newest is not None:
            return newest
        end = start
    return None


def _sets(record: Record, book: str) -> bool:
    match _fields(record):
        case {"type": "PolicySet", "policy": {"book": named}}:
            return bool(named == book)
    return False


# ------------------------------------------------------------------ showing it
def _print_as_json(found: Found) -> None:
    place = json.dumps(
        {
            "station": found.station,
            "topic": found.record.topic,
            "shard": str(found.record.shard),
            "offset": str(found.record.offset),
        }
    )
    print_json(f'{place[:-1]}, "value": {(found.record.value or b"null").decode()}}}')


def _print_for_people(found: Found) -> None:
    console = out()
    console.print(Text(f"{found.station}: {found.record.where}", style="bold"))
    for name, value in field_lines(_fields(found.record)):
        console.print(Text(f"  {one_line(name):<22} {one_line(value)}"), soft_wrap=True)
