"""Find the policies in force, and the events that replace them by those of a file."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline import keys
from pipeline.errors import MalformedRecordError, SettingsError
from pipeline.messages.entries import Cursor
from pipeline.messages.events import Event, PolicyRemoved, PolicySet
from pipeline.messages.policy import Policy
from pipeline.units import BookId, ChainId, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.port import family_of, load
from streams.kafka.clients import appending_producer
from streams.kafka.codec import decode_event, encode, mark
from streams.kafka.errors import started
from streams.kafka.readers import Reader, broker_errors
from streams.kafka.topics import EVENTS, STATE, shard_of
from streams.portfolio import publishing

_OF_POLICIES = keys.families(keys.policy, keys.CURSOR)
_POLICY_EVENTS = (mark(PolicySet), mark(PolicyRemoved))
"""What to look for before decoding: a log is mostly blocks."""


class RolloutStep(msgspec.Struct, frozen=True, kw_only=True):
    """One event to append, and what it does, for people."""

    shard: ShardId
    event: PolicySet | PolicyRemoved
    does: Literal["new", "changed", "published until its new home has begun", "removed"]


# ------------------------------------------------------------------ what is in force
async def policies_in_force(reader: Reader, chain_id: ChainId) -> dict[BookId, Policy]:
    """Read each book's newest policy: what its shard has committed, then the log from there on."""
    found: dict[BookId, Policy] = {}
    for shard in await reader.shards(STATE.on(chain_id)):
        policies, cursor = await _committed(reader, shard)
        log = TopicPartition(EVENTS.on(chain_id), shard.partition)
        async for record in reader.read({log: cursor + 1}):
            _follow(policies, record.value or b"", record.where)
        found |= policies
    return found


async def _committed(reader: Reader, shard: TopicPartition) -> tuple[dict[BookId, Policy], int]:
    records = [each async for each in reader.read({shard: 0}) if family_of(each) in _OF_POLICIES]
    entries = load(records)
    policies = {entry.book: entry for entry in entries.values() if isinstance(entry, Policy)}
    cursor = entries.get(keys.CURSOR)
    return policies, cursor.offset if isinstance(cursor, Cursor) else -1


def _follow(policies: dict[BookId, Policy], payload: bytes, where: str) -> None:
    if not any(mark in payload for mark in _POLICY_EVENTS):
        return
    try:
        event = decode_event(payload, where=where)
    except MalformedRecordError:  # a dead letter for the shard too
        return
    match event:
        case PolicySet(policy=policy):
            policies[policy.book] = policy
        case PolicyRemoved(book=book):
            policies.pop(book, None)
        case _:
            pass


# ------------------------------------------------------------------ from there to the file
def steps_to(
    wanted: Sequence[Policy], in_force: Mapping[BookId, Policy], partitions: int, *, prune: bool
) -> list[RolloutStep]:
    """List what must be appended, in order: a pool's new publisher before its former one gives it up.

    Raises: SettingsError if a book that would stay has an owner whom the file gives to another.
    """
    left_over = {book: policy for book, policy in in_force.items() if book not in {p.book for p in wanted}}
    if not prune:
        wanted = _beside(wanted, left_over)
    return [*_settings(wanted, in_force, partitions), *(_removals(left_over, partitions) if prune else ())]


def _beside(wanted: Sequence[Policy], left_over: Mapping[BookId, Policy]) -> list[Policy]:
    """Let books that stay keep what they publish, and their owners."""
    owner_of = {account: book for book, policy in left_over.items() for account in policy.accounts}
    published = {pool for policy in left_over.values() for pool in policy.publishes}
    for policy in wanted:
        for account in policy.accounts:
            if account in owner_of:
                raise SettingsError(
                    f"book {policy.book}: {account} is of book {owner_of[account]}, which is in force and not in "
                    "the file; --prune removes it"
                )
    return [
        publishing(policy, [pool for pool in policy.publishes if pool not in published]) for policy in wanted
    ]


def _settings(
    wanted: Sequence[Policy], in_force: Mapping[BookId, Policy], partitions: int
) -> Iterator[RolloutStep]:
    changed = [policy for policy in wanted if in_force.get(policy.book) != policy]
    first: dict[BookId, Policy] = {}
    for policy in changed:
        before = in_force.get(policy.book)
        kept = before.publishes if before else ()
        if set(policy.publishes) - set(kept):  # takes pools over: for a moment it gives none up
            both = tuple(dict.fromkeys((*policy.publishes, *kept)))
            first[policy.book] = policy if set(both) == set(policy.publishes) else publishing(policy, both)
            does = "changed" if before else "new"
            if first[policy.book] != policy:
                does = "published until its new home has begun"
            yield _step(first[policy.book], partitions, does)
    for policy in changed:
        if first.get(policy.book) != policy:
            yield _step(policy, partitions, "changed" if policy.book in in_force else "new")


def _step(policy: Policy, partitions: int, does: Any) -> RolloutStep:
    return RolloutStep(shard=shard_of(policy.book, partitions), event=PolicySet(policy=policy), does=does)


def _removals(left_over: Mapping[BookId, Policy], partitions: int) -> Iterator[RolloutStep]:
    for book in sorted(left_over):
        yield RolloutStep(shard=shard_of(book, partitions), event=PolicyRemoved(book=book), does="removed")


# ------------------------------------------------------------------ appending
@asynccontextmanager
async def appending(kafka: KafkaAccess) -> AsyncIterator[AIOKafkaProducer]:
    """Connect to append events."""
    producer = appending_producer(kafka)
    async with broker_errors(kafka):
        try:
            await started(producer, kafka, writes=EVENTS.name)
            yield producer
        finally:
            await producer.stop()


async def append(producer: AIOKafkaProducer, chain_id: ChainId, shard: ShardId, event: Event) -> int:
    """Append one event to a shard's log and return its offset."""
    sent = await producer.send_and_wait(EVENTS.on(chain_id), value=encode(event), partition=shard)
    offset: int = sent.offset
    return offset
