"""`why ID`: explain an output in one sentence, with the records that led to it and those that followed."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, NamedTuple

import typer
from aiokafka import TopicPartition
from rich.text import Text

from pipeline.errors import EvenkeelError
from pipeline.messages.decisions import PlanClosed
from pipeline.messages.events import Paused, PolicySet
from streams.cli.cause_offsets import LogPosition, cause_of, fields_in, offset_of_cause, place_in
from streams.cli.console import AsJson, out, print_json, print_line, run, settings_for
from streams.cli.record_fields import field_lines, json_of
from streams.cli.why_sentence import explained
from streams.kafka.codec import mark
from streams.kafka.readers import Reader, Record, reading
from streams.kafka.topics import BOOKS, DECISIONS, EVENTS, INTENTS, POOL_STATES, POSITIONS, SWAPS, Topic
from streams.plain_text import one_line
from streams.settings import Settings

_TOPIC_OF: Mapping[str, Topic] = {
    "int": INTENTS,
    "pos": POSITIONS,
    "book": BOOKS,
    "swap": SWAPS,
    "pool": POOL_STATES,
}
"""By the kind that an id begins with; all others are decisions and alerts."""
_CHUNK_RECORDS = 2_000
_WIDEST_NAME = 40
"""Of a field; a stranger's record may have any."""
_OPERATORS = (mark(PolicySet), mark(Paused))
"""What to look for before decoding: a log is mostly blocks."""
_DIGEST = re.compile(r"[0-9a-f]{16}")
_HASH = re.compile(r"0x[0-9a-f]{64}")


class Found(NamedTuple):
    """One station on the way back."""

    station: str
    record: Record


def why(
    output_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An output's id, as in `topics tail decisions`; an intent's last part; or a transaction's hash.",
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Explain an output in a sentence, and show the records behind it: cause, policy, and what came of it."""
    settings = settings_for("why")
    stations = run(_walk(settings, output_id.strip().lower()))
    if not as_json:
        print_line(explained([(found.station, found.record) for found in stations]))
    for found in stations:
        if as_json:
            _print_as_json(found)
        else:
            _print_for_people(found)


async def _walk(settings: Settings, output_id: str) -> list[Found]:
    """Find the stations. Raises: EvenkeelError if nothing has this id."""
    async with reading(settings.kafka) as reader:
        output_id = await _whole_id(reader, settings, output_id)
        topic = _TOPIC_OF.get(output_id.partition(".")[0], DECISIONS)
        output = await _output(reader, topic.on(settings.chain), output_id)
        place = cause_of(output) if output else None
        if output is None or place is None:
            replaced = topic.kept.get("cleanup.policy") == "compact"
            says = "; a newer value of its key may have replaced it" if replaced else ""
            raise EvenkeelError(f"nothing on {topic.name} has the id {output_id}{says}")
        stations = [Found("output", output)]
        log = TopicPartition(EVENTS.on(settings.chain), place.shard)
        cause = await reader.record_at(log, place.offset)
        if cause is None:
            raise EvenkeelError(f"{log.topic}[{place.shard}] has no record at offset {place.offset}")
        policy = await _policy_before(reader, log, place.offset, fields_in(output).get("book"))
        pause = await _pause_before(reader, log, place.offset, fields_in(output))
        after = [found async for found in _consequences(reader, settings, place, output)]
        after += [found async for found in _aftermath(reader, log, place.offset, output_id)]
        after += [found async for found in _dry_run(reader, settings, place, output_id)]
        before = [("policy", policy), ("pause", pause)]
        found = [Found(station, record) for station, record in before if record is not None]
        return [*stations, Found("cause", cause), *found, *after]


async def _whole_id(reader: Reader, settings: Settings, name: str) -> str:
    """Turn a digest or a transaction's hash into the id of its intent. Raises: EvenkeelError."""
    if _HASH.fullmatch(name):
        name = await _intent_of_transaction(reader, settings, name)
    if not _DIGEST.fullmatch(name):
        return name
    shards = dict.fromkeys(await reader.shards(INTENTS.on(settings.chain)), 0)
    async for record in reader.read(shards):
        found = fields_in(record).get("id", "")
        if isinstance(found, str) and found.endswith(f".{name}"):
            return found
    raise EvenkeelError(f"no intent has the digest {name}")


async def _intent_of_transaction(reader: Reader, settings: Settings, hash_: str) -> str:
    """Find the intent that a signer reported this transaction for. Raises: EvenkeelError."""
    shards = dict.fromkeys(await reader.shards(EVENTS.on(settings.chain)), 0)
    async for record in reader.read(shards):
        if hash_.encode() in (record.value or b""):
            match fields_in(record):
                case {"type": "Signed" | "Sent", "transaction_hash": str(told), "intent": str(digest)}:
                    if told == hash_:
                        return digest
    raise EvenkeelError(f"no signer has reported a transaction {hash_}")


# ------------------------------------------------------------------ what came of a proposal
async def _consequences(
    reader: Reader, settings: Settings, place: LogPosition, output: Record
) -> AsyncIterator[Found]:
    """Follow a proposal to what was decided on it by the same record: a plan, or a guard's refusal."""
    fields = fields_in(output)
    if fields.get("type") in ("PlanOpened", "PlanClosed"):
        async for found in _other_end(reader, settings, place, fields):
            yield found
    if fields.get("type") != "RebalanceProposed":
        return
    said = TopicPartition(DECISIONS.on(settings.chain), place.shard)
    async for record in reader.read_from_first(said, offset_of_cause, place.offset):
        other = fields_in(record)
        if offset_of_cause(record) != place.offset:
            return
        if other.get("type") in ("StepRefused", "PlanOpened") and other.get("book") == fields.get("book"):
            yield Found("what came of it", record)


async def _other_end(
    reader: Reader, settings: Settings, place: LogPosition, fields: Mapping[str, Any]
) -> AsyncIterator[Found]:
    """Follow a plan's beginning to the last end that was told of it, and an end back to the beginning."""
    plan = fields.get("plan", "")
    if fields.get("type") == "PlanClosed":
        opened = await _output(reader, DECISIONS.on(settings.chain), plan)
        if opened is not None:
            yield Found("how it began", opened)
        return
    ended, said = None, TopicPartition(DECISIONS.on(settings.chain), place.shard)
    async for record in reader.read_from_first(said, offset_of_cause, place.offset):
        if mark(PlanClosed) in (record.value or b"") and fields_in(record).get("plan") == plan:
            ended = record
    if ended is not None:
        yield Found("how it ended", ended)


async def _pause_before(
    reader: Reader, log: TopicPartition, offset: int, fields: Mapping[str, Any]
) -> Record | None:
    """Find the operator's word behind a refusal because of a pause."""
    if fields.get("reason") != "paused":
        return None
    return await _newest_before(
        reader,
        log,
        offset,
        lambda found: found.get("type") == "Paused" and found.get("scope") == fields.get("item"),
    )


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
        match fields_in(record):
            case {"intent": str(named), "type": str(kind), **rest} if named == digest:
                hashes.add(str(rest.get("transaction_hash", "")))
                yield Found(f"report: {kind}", record)
            case {"receipts": list(receipts)} if any(_hash_of(receipt) in hashes for receipt in receipts):
                yield Found("in this block", record)


def _hash_of(receipt: object) -> str:
    match receipt:
        case {"transaction_hash": str(hash_)}:
            return hash_
    return ""


async def _dry_run(
    reader: Reader, settings: Settings, place: LogPosition, output_id: str
) -> AsyncIterator[Found]:
    """Follow a proposal that does not act on to what a dry-run of it came to."""
    if not output_id.startswith("reb."):
        return
    said = TopicPartition(DECISIONS.on(settings.chain), place.shard)
    async for record in reader.read_from_first(said, offset_of_cause, place.offset):
        match fields_in(record):
            case {"type": "ProposalTried", "proposal": str(proposal)} if output_id.endswith(f".{proposal}"):
                yield Found("dry-run", record)
                return


# ------------------------------------------------------------------ the output
async def _output(reader: Reader, topic: str, output_id: str) -> Record | None:
    place = place_in(output_id)
    for shard in await reader.shards(topic, None if place is None else [place.shard]):
        candidates = (
            reader.read({shard: 0})  # its id does not tell the cause
            if place is None
            else reader.read_from_first(shard, offset_of_cause, place.offset)
        )
        async for record in candidates:
            if fields_in(record).get("id") == output_id:
                return record
            offset = offset_of_cause(record)
            if place is not None and offset is not None and offset > place.offset:
                break  # causes only grow
    return None


# ------------------------------------------------------------------ the policy
async def _policy_before(reader: Reader, log: TopicPartition, offset: int, book: str | None) -> Record | None:
    """Find a book's newest policy at or before an offset."""
    if book is None:
        return None
    return await _newest_before(reader, log, offset, lambda found: _sets(found, book))


async def _newest_before(
    reader: Reader, log: TopicPartition, offset: int, holds: Callable[[Mapping[str, Any]], bool]
) -> Record | None:
    """Find the newest operator's record at or before an offset of which something holds, a chunk at a time."""
    end = offset + 1
    while end > 0:
        start = max(0, end - _CHUNK_RECORDS)
        newest = None
        async for record in reader.read_between(log, start, end):
            if any(kind in (record.value or b"") for kind in _OPERATORS) and holds(fields_in(record)):
                newest = record
        if newest is not None:
            return newest
        end = start
    return None


def _sets(fields: Mapping[str, Any], book: str) -> bool:
    match fields:
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
    print_json(f'{place[:-1]}, "value": {json_of(found.record.value)}}}')


def _print_for_people(found: Found) -> None:
    console = out()
    console.print(Text(f"{found.station}: {found.record.where}", style="bold"))
    lines = [(one_line(name), one_line(value)) for name, value in field_lines(fields_in(found.record))]
    width = min(max((len(name) for name, _ in lines), default=0), _WIDEST_NAME)
    for name, value in lines:
        console.print(Text(f"  {name:<{width}}  {value}"), soft_wrap=True)
