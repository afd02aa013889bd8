"""Compare a shard's committed state and outputs with an undisturbed fold of its log and with the chain."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import msgspec
from aiokafka import TopicPartition

from pipeline import keys
from pipeline.drive import pass_over
from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.follow.routes import follow
from pipeline.messages.entries import PassedRecord, Writer
from pipeline.messages.events import BlockSeen, BlocksPassed, BlocksReverted, Observed, WriterStarted
from pipeline.state.policies import policies, profile
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import ChainId, Offset, ShardId, Term
from pipeline.venues.due_read import DueRead
from pipeline.venues.registry import venue_of_read, venues
from streams.fold_comparison import Refold
from streams.kafka.checkpoint.port import load
from streams.kafka.codec import decode_event
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import DEAD_LETTERS, EVENTS, OUTPUTS, STATE
from streams.node.chain_reads import observe
from streams.node.port import Node
from streams.node.venues.port import ReadContext
from streams.skipped_records import SkipCommands


class Verdict(msgspec.Struct, kw_only=True):
    """What was compared, what was wrong, and which rules the log made fire."""

    wrong: list[str] = msgspec.field(default_factory=list)
    behind: list[str] = msgspec.field(default_factory=list)
    """What is on a log and in no state: nobody has said yet what follows from it."""
    under: list[str] = msgspec.field(default_factory=list)
    """What was decided under other rules than ours, and is not compared."""
    compared: Counter[str] = msgspec.field(default_factory=Counter)
    rules: Counter[str] = msgspec.field(default_factory=Counter)


async def load_shard(reader: Reader, chain_id: ChainId, number: ShardId) -> Shard:
    """Load a shard's entries as committed, without opening it: its worker notices nothing. Raises: StateSpoiledError."""
    (states,) = await reader.shards(STATE.on(chain_id), [number])
    return Shard(number, load([record async for record in reader.read({states: 0})]))


# ------------------------------------------------------------------ against the chain
async def against_the_chain(node: Node, shard: Shard, verdict: Verdict) -> None:
    """Read every pool, position and balance at the shard's head, and compare field by field."""
    chain, head = profile(shard.tables), shard.tables.head
    if chain is None or head is None:
        return
    writer = shard.tables.find(keys.WRITER, Writer)
    place = ReadContext(chain=chain, block=head, term=writer.term if writer else Term(0))
    async for read in observe(node, place, list(_items(shard))):
        if not isinstance(read, Observed):
            verdict.wrong.append(f"shard {shard.id}: {read.item} cannot be read: {read.reason}")
            continue
        verdict.compared[f"{type(read).__name__.removesuffix('Observed').lower()}s"] += 1
        item = f"shard {shard.id}: {read.item}"
        verdict.wrong += [
            f"{item}: {difference}, the chain's"
            for difference in venue_of_read(shard.tables, read).differences(shard, read)
        ]


def _items(shard: Shard) -> Iterator[DueRead]:
    items = {
        item: None
        for venue in venues(shard.tables)
        for policy in policies(shard.tables)
        for item in venue.checked_items(shard.tables, policy)
    }
    for item in items:
        yield DueRead(item=item, why="check")


# ------------------------------------------------------------------ against the fold
async def against_the_fold(reader: Reader, chain_id: ChainId, shard: Shard, verdict: Verdict) -> None:
    """Fold the log up to the shard's cursor once more: the same outputs in the same order, the same state.

    While the shard moves on, what it has said since is passed over. What was decided under other rules than ours is not compared.
    """
    again, routes, cursor = (
        Refold(shard, await _skip_commands(reader, chain_id, shard)),
        Tables(),
        shard.cursor,
    )
    async for record in _log(reader, chain_id, shard.id, cursor):
        try:
            again.take(Offset(record.offset), record.value)
        except NewerRecordError as error:
            verdict.wrong.append(f"shard {shard.id} has gone on without an operator's word behind {error}")
            return
        if again.skip_command_for(Offset(record.offset), record.value) is None:
            _count_rules(routes, record, verdict)
        else:
            verdict.rules["records passed over"] += 1
    pass_over(again.shard, cursor)  # no record stands between
    found: dict[str, list[Record]] = {}
    for topic in (*OUTPUTS, DEAD_LETTERS):
        starts = dict.fromkeys(await reader.shards(topic.on(chain_id), [shard.id]), 0)
        found[topic.name] = [record async for record in reader.read(starts)]
    # asked last: what comes after this answer is not among what was found
    behind = max(end for _, end in (await _bounds(reader, chain_id, shard.id)).values()) - cursor - 1
    if behind:
        verdict.behind.append(f"{behind} records of shard {shard.id}, which no worker has taken in")
    if shard.rules is not None and not again.span.is_whole:
        verdict.under.append(f"shard {shard.id}: {again.span.told()}")
    for name, records in found.items():
        compared, wrong = again.compare(name, records, grows=behind > 0)
        verdict.compared["outputs"] += compared
        verdict.wrong += [] if wrong is None else [f"{name}[{shard.id}]: {wrong}"]
    verdict.compared["state entries"] += again.count_entries()
    verdict.wrong += [
        f"shard {shard.id}: entry {key} is not that of the fold"
        for key in again.entries_that_differ(shard.tables.entries())
    ]


async def _log(reader: Reader, chain_id: ChainId, shard: ShardId, cursor: Offset) -> AsyncIterator[Record]:
    for place, (begin, end) in (await _bounds(reader, chain_id, shard)).items():
        async for record in reader.read_between(place, begin, min(end, cursor + 1)):
            yield record


async def _skip_commands(reader: Reader, chain_id: ChainId, shard: Shard) -> SkipCommands:
    """Read the operators' commands to pass over records from a log; they may come after the shard's cursor."""
    passed = [keys.passed.parse(key)[0] for key, _ in shard.tables.group(keys.passed.family, PassedRecord)]
    commands = SkipCommands()
    if passed:
        for place, (_, end) in (await _bounds(reader, chain_id, shard.id)).items():
            async for record in reader.read_between(place, min(passed), end):
                commands.take(Offset(record.offset), record.value)
    return commands


async def _bounds(reader: Reader, chain_id: ChainId, shard: ShardId) -> dict[TopicPartition, tuple[int, int]]:
    return await reader.bounds(await reader.shards(EVENTS.on(chain_id), [shard]))


def _count_rules(routes: Tables, record: Record, verdict: Verdict) -> None:
    try:
        event = decode_event(record.value or b"", where=record.where)
    except MalformedRecordError:
        verdict.rules["dead letters"] += 1
        return
    followed = follow(routes, event)
    if isinstance(event, WriterStarted):
        verdict.rules["watchers that took over"] += 1
    elif isinstance(event, BlocksReverted):
        verdict.rules["reorgs undone"] += 1
    elif isinstance(event, Observed):
        verdict.rules[f"reads ({event.why})"] += 1
    elif isinstance(event, BlockSeen):
        verdict.rules["blocks"] += 1
    elif isinstance(event, BlocksPassed):
        verdict.rules["blocks"] += len(event.blocks)
    if followed.arrival.name != "APPLIES":
        verdict.rules[f"records not applied: {followed.arrival.name.lower()}"] += 1
