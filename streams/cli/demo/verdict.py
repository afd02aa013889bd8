"""The end of the demo: state against the chain, what was said against an undisturbed fold, and the count of rules."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import msgspec

from pipeline.advance.books import stock_of
from pipeline.book import own_positions
from pipeline.messages.entries import Writer
from pipeline.messages.events import BlockSeen, BlocksReverted, WriterStarted
from pipeline.observe import differences
from pipeline.routes import OBSERVATIONS, follow
from pipeline.shard import Shard
from pipeline.state import Tables, Value
from pipeline.units import BookId, ChainId, Offset, ShardId, Term
from pipeline.wants import Wanted, followed_pools, policies, profile
from streams.chain.node import HttpNode
from streams.chain.reads import Place, observe
from streams.cli.demo.second_opinion import inventory_at
from streams.cli.demo.stage import Stage
from streams.codec import decode_entry, decode_event
from streams.fold import fold_record
from streams.readers import Reader, Record, reading
from streams.topics import DEAD_LETTERS, EVENTS, OUTPUTS, STATE, shard_of


class Verdict(msgspec.Struct, kw_only=True):
    """What was compared, and what was wrong."""

    wrong: list[str] = msgspec.field(default_factory=list)
    compared: Counter[str] = msgspec.field(default_factory=Counter)
    rules: Counter[str] = msgspec.field(default_factory=Counter)


async def judge(stage: Stage, bootstrap: str, partitions: int) -> Verdict:
    """Compare everything. The shards stand at the chain's head."""
    verdict = Verdict()
    chain_id = ChainId(stage.world.chain_id)
    async with reading(bootstrap) as reader:
        for number in sorted({shard_of(BookId(actor.book), partitions) for actor in stage.cast}):
            shard = await _load(reader, chain_id, ShardId(number))
            await _against_the_chain(stage, shard, verdict)
            await _against_the_fold(reader, chain_id, shard, verdict)
            _against_the_contracts(stage, shard, verdict)
    return verdict


async def _load(reader: Reader, chain_id: ChainId, number: ShardId) -> Shard:
    entries: dict[str, Value] = {}
    async for record in reader.read(dict.fromkeys(await reader.shards(STATE.on(chain_id), [number]), 0)):
        key = (record.key or b"").decode()
        entries.pop(key, None)
        if record.value is not None and key != "opened":
            entries[key] = decode_entry(key, record.value)
    return Shard(number, entries)


# ------------------------------------------------------------------ every pool field, every position
async def _against_the_chain(stage: Stage, shard: Shard, verdict: Verdict) -> None:
    """Read every pool, position and balance at the head, and compare field by field."""
    tables = shard.tables
    chain, head, writer = profile(tables), tables.head, tables.find("writer", Writer)
    assert chain is not None
    assert head is not None
    newest = stage.devnet.chain.header()
    if head.hash != newest.hash:
        verdict.wrong.append(f"shard {shard.id} stands at block {head.number}, the chain at {newest.number}")
        return
    node = HttpNode(stage.devnet.rpc_url)
    try:
        place = Place(chain=chain, block=head, term=writer.term if writer else Term(0))
        async for read in observe(node, place, list(_items(shard))):
            if not isinstance(read, OBSERVATIONS):
                verdict.wrong.append(f"shard {shard.id}: {read.item} cannot be read: {read.reason}")
                continue
            verdict.compared[f"{type(read).__name__.removesuffix('Observed').lower()}s"] += 1
            verdict.wrong += [f"shard {shard.id}: {d}" for d in differences(shard, read)]
    finally:
        await node.close()


def _items(shard: Shard) -> Iterator[Wanted]:
    for pool in sorted(followed_pools(shard.tables)):
        yield Wanted(item=f"pool/{pool}", why="check")
    for policy in policies(shard.tables):
        for key, _ in own_positions(shard, policy):
            yield Wanted(item=key, why="check")
        for account in policy.accounts:
            for token in policy.tokens:
                yield Wanted(item=f"balance/{account}/{token.address}", why="check")


def _against_the_contracts(stage: Stage, shard: Shard, verdict: Verdict) -> None:
    """Compare each book's inventory with what burning and collecting everything would pay."""
    head = stage.devnet.chain.header()
    for policy in policies(shard.tables):
        ours = stock_of(shard, policy)
        theirs = inventory_at(stage.devnet.chain, stage.world, stage.terms(policy.book), head.number)
        verdict.compared["inventories"] += 1
        for name in ("base_amount", "quote_amount", "value_quote", "base_share_bps", "sqrt_price_x96"):
            mine, found = getattr(ours, name), getattr(theirs, name)
            if mine != found:
                verdict.wrong.append(f"{policy.book} {name}: {mine}, the chain's {found}")


# ------------------------------------------------------------------ everything that was said
async def _against_the_fold(reader: Reader, chain_id: ChainId, shard: Shard, verdict: Verdict) -> None:
    """Fold the log once more, undisturbed: the same outputs in the same order, the same state."""
    calm, routes = Shard(shard.id), Tables()
    expected: dict[str, list[tuple[bytes, bytes | None]]] = {}
    async for record in _log(reader, chain_id, shard.id):
        for output in fold_record(calm, Offset(record.offset), record.value):
            expected.setdefault(output.topic, []).append((output.key, output.value))
        _count_rules(routes, record, verdict)
    for topic in (*OUTPUTS, DEAD_LETTERS):
        starts = dict.fromkeys(await reader.shards(topic.on(chain_id), [shard.id]), 0)
        said = [(record.key or b"", record.value) async for record in reader.read(starts)]
        verdict.compared["outputs"] += len(said)
        verdict.wrong += _different(topic.name, shard.id, said, expected.get(topic.name, []))
    ours, theirs = dict(shard.tables.entries()), dict(calm.tables.entries())
    verdict.compared["state entries"] += len(theirs)
    differ = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    verdict.wrong += [f"shard {shard.id}: entry {key} is not that of the fold" for key in differ]


def _different(
    topic: str, shard: int, said: list[tuple[bytes, bytes | None]], expected: list[tuple[bytes, bytes | None]]
) -> list[str]:
    """Compare a topic's partition with the fold. A compacted topic may have lost what was replaced."""
    if said == expected:
        return []
    if dict(said) == dict(expected) and len(said) < len(expected):
        return []
    return [f"{topic}[{shard}]: {len(said)} records are not the {len(expected)} of the undisturbed fold"]


async def _log(reader: Reader, chain_id: ChainId, shard: ShardId) -> AsyncIterator[Record]:
    starts = dict.fromkeys(await reader.shards(EVENTS.on(chain_id), [shard]), 0)
    async for record in reader.read(starts):
        yield record


def _count_rules(routes: Tables, record: Record, verdict: Verdict) -> None:
    event = decode_event(record.value or b"", where=record.where)
    followed = follow(routes, event)
    if isinstance(event, WriterStarted):
        verdict.rules["watchers that took over"] += 1
    elif isinstance(event, BlocksReverted):
        verdict.rules["reorgs undone"] += 1
    elif isinstance(event, OBSERVATIONS):
        verdict.rules[f"reads ({event.why})"] += 1
    elif isinstance(event, BlockSeen):
        verdict.rules["blocks"] += 1
    if followed.arrival.name != "APPLIES":
        verdict.rules[f"records not applied: {followed.arrival.name.lower()}"] += 1
