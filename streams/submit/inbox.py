"""Read committed intents from a broker, and the pauses that operators put into the shards' logs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline import keys
from pipeline.errors import UNREADABLE, InfrastructureError, MalformedRecordError, NewerRecordError
from pipeline.messages.entries import Cursor, Pause
from pipeline.messages.events import Paused, PolicySet, Resumed
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Stop
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.clients import follower
from streams.kafka.codec import decode_entry, decode_event, mark
from streams.kafka.errors import denied, started, stopped
from streams.kafka.readers import Reader, broker_errors, reading
from streams.kafka.topics import EVENTS, INTENTS, STATE
from streams.submit.pauses import Pauses
from streams.submit.port import Delivered, IntentsPassed

log = structlog.get_logger(__name__)

_WORDS = (mark(Paused), mark(Resumed), mark(PolicySet))
"""What to look for before decoding: a log is mostly blocks."""
_POLL_MS = 1_000
_STOP_TIMEOUT_S = 3.0


class KafkaInbox:
    """`submit_port.Inbox` over Kafka."""

    def __init__(self, kafka: KafkaAccess, chain_id: ChainId) -> None:
        """Prepare; `follow` connects."""
        self._kafka = kafka
        self._chain_id = chain_id
        self._waiting: list[Delivered] = []
        self._pauses = Pauses()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._consumers: list[Any] = []

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Read the pauses in force, then every partition from an offset. Raises: InfrastructureError."""
        async with reading(self._kafka) as reader:
            logs = {shard: await self._known_pauses(reader, shard) for shard in starts}
        await self._pump(INTENTS.on(self._chain_id), starts, self._put_intent)
        await self._pump(EVENTS.on(self._chain_id), logs, self._put_word)

    async def passed(self, shard: ShardId, before: Offset | None) -> IntentsPassed:
        """Return the state of a partition up to an offset, or up to its end. Raises: InfrastructureError."""
        async with reading(self._kafka) as reader:
            (place,) = await reader.shards(INTENTS.on(self._chain_id), [shard])
            begin, end = (await reader.bounds([place]))[place]
            if before is None:
                found = next(iter(await reader.last(place, 1)), None)
            else:
                found = await reader.record_at(place, before - 1)
        last = None if found is None else Delivered(shard, Offset(found.offset), found.value or b"")
        return IntentsPassed(Offset(begin), Offset(end), last)

    def take(self) -> list[Delivered]:
        """Return what has arrived since the last call, each partition in order. Raises: InfrastructureError."""
        for task in self._tasks:
            if task.done():
                why = task.exception()
                refused = why and denied(why, self._kafka)
                raise (refused or InfrastructureError("the intents can no longer be followed")) from why
        taken, self._waiting = self._waiting, []
        self._news.clear()
        return taken

    def stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Return the pause that stops an intent: of everything, of its book, or of a book with the same owner or signer."""
        return self._pauses.stopping(intent)

    async def news(self, timeout_s: float) -> None:
        """Wait until something has arrived, at most for a timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()

    async def close(self) -> None:
        """Close the connections. Never raises."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for consumer in self._consumers:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await stopped(consumer)

    # -------------------------------------------------------------- pauses
    async def _known_pauses(self, reader: Reader, shard: ShardId) -> Offset:
        """Read the pauses that the shard has committed, and those in its log since; return where to read on."""
        found: dict[str, Pause | Policy | Cursor] = {}
        (states,) = await reader.shards(STATE.on(self._chain_id), [shard])
        async for record in reader.read({states: 0}):
            key = (record.key or b"").decode(errors="replace")
            found.pop(key, None)
            entry = _entry(key, record.value, record.where)
            if entry is not None:
                found[key] = entry
        for key, entry in found.items():
            match entry:
                case Pause(cancels=cancels):
                    self._pauses.note_pause(shard, *keys.pause.parse(key), cancels=cancels)
                case Policy():
                    self._pauses.note_policy(entry)
        read = found.get(keys.CURSOR)
        cursor = read.offset if isinstance(read, Cursor) else -1
        (log,) = await reader.shards(EVENTS.on(self._chain_id), [shard])
        begin, end = (await reader.bounds([log]))[log]
        async for record in reader.read_between(log, max(begin, cursor + 1), end):
            self._put_word(shard, record)
        return Offset(end)

    def _put_word(self, shard: ShardId, record: Any) -> None:
        value = record.value or b""
        if not any(word in value for word in _WORDS):
            return
        try:
            self._pauses.take(shard, decode_event(value, where=f"{EVENTS.name}[{shard}]@{record.offset}"))
        except MalformedRecordError:  # a dead letter for the shard too
            return
        except NewerRecordError as error:
            log.warning("an operator's command cannot be read", error=str(error))
            if mark(Paused) in value:  # one that cannot be read pauses everything
                self._pauses.note_pause(shard, keys.ALL, cancels=False)

    # -------------------------------------------------------------- intents
    def _put_intent(self, shard: ShardId, record: Any) -> None:
        self._waiting.append(Delivered(shard, Offset(record.offset), record.value or b""))
        self._news.set()

    async def _pump(
        self, topic: str, starts: Mapping[ShardId, Offset], put: Callable[[ShardId, Any], None]
    ) -> None:
        consumer = follower(self._kafka)
        async with broker_errors(self._kafka):
            await started(consumer, self._kafka)
            self._consumers.append(consumer)
            consumer.assign([TopicPartition(topic, shard) for shard in starts])
            for shard, offset in starts.items():
                consumer.seek(TopicPartition(topic, shard), offset)
        self._tasks.append(asyncio.create_task(self._forward(consumer.getmany, put)))

    async def _forward(
        self, getmany: Callable[..., Awaitable[Any]], put: Callable[[ShardId, Any], None]
    ) -> None:
        try:
            while True:
                for partition, records in (await getmany(timeout_ms=_POLL_MS)).items():
                    for record in records:
                        put(ShardId(partition.partition), record)
        finally:
            self._news.set()


def _entry(key: str, payload: bytes | None, where: str) -> Pause | Policy | Cursor | None:
    """Read an entry if it is relevant here. A pause that cannot be read counts as a pause; other unreadable entries are skipped."""
    if payload is None or not (key == keys.CURSOR or keys.pause.matches(key) or keys.policy.matches(key)):
        return None
    try:
        entry = decode_entry(key, payload)
    except UNREADABLE as error:
        log.warning("an entry of a shard cannot be read", where=where, key=key, error=str(error))
        return Pause(reason=str(error), by="") if keys.pause.matches(key) else None
    return entry if isinstance(entry, Pause | Policy | Cursor) else None
