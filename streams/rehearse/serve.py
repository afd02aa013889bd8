"""`evenkeel rehearse`: carry out proposals of dry-run books on forks, and report each outcome. It keeps no state.

What is untried stands in the shards' committed state; what was tried is an event in the shard's log. So it may
die anywhere: the next one finds the same proposals again.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline import keys
from pipeline.errors import PASSING_TROUBLE, MalformedRecordError, NewerRecordError, NodeError
from pipeline.follow.quiet_runs import seen_at
from pipeline.messages.decisions import RebalanceProposed
from pipeline.messages.dry_run import DryRun
from pipeline.messages.effects import DryRuns, Untried
from pipeline.messages.events import DryRunEnded
from pipeline.units import BookId, ChainId, Offset, ShardId
from streams.heartbeat import beating
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import decode_entry, decode_event, decode_output, mark
from streams.kafka.readers import Reader, Record, reading
from streams.kafka.topics import DECISIONS, EVENTS, STATE, ensure_topics
from streams.policy_rollout import append, appending
from streams.process import until_stopped
from streams.redaction import redact
from streams.rehearse.port import Forks, NotTried
from streams.rehearse.trial import Trial
from streams.verify import load_shard
from streams.watch.timing import Timing, retry_delay_s

log = structlog.get_logger(__name__)

POINTS = ("found", "forked", "tried", "told")
"""Where a test may end the process."""
_LAST_DECISIONS = (50, 50, 50, 2_000, 100_000)
"""How many are looked through, one try after the other."""
_COMMITTED_S = 0.5
"""What one transaction wrote shows on one topic a little before it shows on another."""


class TryTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of a dry-run, none of which affects its result."""

    within_s: float = 60.0
    """For one proposal."""
    tries: int = 3
    """Where the node does not answer."""


def _pass_by(point: str) -> None:
    del point


async def run_tries(
    *,
    kafka: KafkaAccess,
    chain_id: ChainId,
    partitions: int,
    instance: str,
    forks: Forks,
    timing: TryTiming | None = None,
    reach: Callable[[str], None] = _pass_by,
) -> None:
    """Try proposals until SIGTERM, SIGINT or cancellation. Raises: InfrastructureError where the broker fails."""
    await ensure_topics(kafka, chain_id, partitions)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(beating(kafka, chain_id, "rehearse", instance))
        tail, reader = [await stack.enter_async_context(reading(kafka)) for _ in range(2)]
        producer = await stack.enter_async_context(appending(kafka))
        tries = Tries(
            tail, reader, producer, chain_id=chain_id, forks=forks, timing=timing or TryTiming(), reach=reach
        )
        await until_stopped(tries.run())


class Tries:
    """Tries all untried proposals of a deployment, one after the other."""

    def __init__(
        self,
        tail: Reader,
        reader: Reader,
        producer: AIOKafkaProducer,
        *,
        chain_id: ChainId,
        forks: Forks,
        timing: TryTiming,
        reach: Callable[[str], None] = _pass_by,
    ) -> None:
        """Prepare. Each reader reads one thing at a time: one follows, the other looks up."""
        self._tail, self._reader, self._producer = tail, reader, producer
        self._chain_id, self._forks, self._timing, self._reach = chain_id, forks, timing, reach
        self._untried: dict[tuple[ShardId, BookId], tuple[Untried, ...]] = {}
        self._tried: set[tuple[ShardId, str]] = set()
        self._news = asyncio.Event()
        self._failures = 0

    async def run(self) -> None:
        """Try proposals for ever. Raises: InfrastructureError."""
        states = await self._tail.shards(STATE.on(self._chain_id))
        ends = {shard: end for shard, (_, end) in (await self._tail.bounds(states)).items()}
        for shard, end in ends.items():
            async for record in self._tail.read_between(shard, 0, end):
                self._note(record)
        log.info("tries proposals of dry-run books", waiting=sum(map(len, self._untried.values())))
        errors: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(ends))
                tasks.create_task(self._try_all())
        except BaseExceptionGroup as group:
            errors += group.exceptions
        if errors:  # alone, so that it can be told by its kind
            raise errors[0]

    # -------------------------------------------------------------- what is untried
    async def _follow(self, ends: dict[TopicPartition, int]) -> None:
        async for record in self._tail.follow(ends):
            self._note(record)

    def _note(self, record: Record) -> None:
        key = (record.key or b"").decode(errors="replace")
        if not keys.dry_run.matches(key):
            return
        try:
            entry = None if record.value is None else decode_entry(key, record.value)
        except MalformedRecordError as error:
            log.warning("passes over what is not an entry", where=record.where, error=str(error))
            return
        place = ShardId(record.shard), *keys.dry_run.parse(key)
        self._untried[place] = entry.untried if isinstance(entry, DryRuns) else ()
        self._news.set()

    async def _try_all(self) -> None:
        while True:
            due = self._next()
            if due is None:
                await self._news.wait()
                self._news.clear()
                continue
            (shard, book), untried = due
            try:
                await self._attend(shard, book, untried)
            except NodeError as error:
                await self._wait_for_node(book, error)
                continue
            self._failures = 0
            self._tried.add((shard, untried.proposal))

    async def _wait_for_node(self, book: BookId, error: NodeError) -> None:
        """Leave a proposal untried for now: a failing node says nothing about its result."""
        self._failures += 1
        log.warning("waits for the node", book=book, error=redact(str(error)), failures=self._failures)
        await asyncio.sleep(retry_delay_s(Timing(), self._failures))

    def _next(self) -> tuple[tuple[ShardId, BookId], Untried] | None:
        for place, all_untried in self._untried.items():
            for untried in all_untried:
                if (place[0], untried.proposal) not in self._tried:
                    return place, untried
        return None

    # -------------------------------------------------------------- one of them
    async def _attend(self, shard: ShardId, book: BookId, untried: Untried) -> None:
        """Try a proposal and publish the result, if nobody has. Raises: NodeError where the node fails."""
        self._reach("found")
        if await self._is_told(shard, untried):
            return
        run = await self._bounded(shard, book, untried)
        self._reach("tried")
        event = DryRunEnded(book=book, proposal=untried.proposal, run=run)
        offset = await append(self._producer, self._chain_id, shard, event)
        self._reach("told")
        log.info(
            "tried",
            book=book,
            proposal=untried.proposal,
            outcome=run.outcome,
            reason=run.reason,
            offset=offset,
        )

    async def _is_told(self, shard: ShardId, untried: Untried) -> bool:
        """Return whether the result is already in the log, where the worker has not reached it."""
        place = TopicPartition(EVENTS.on(self._chain_id), shard)
        cursor = (await load_shard(self._reader, self._chain_id, shard)).cursor
        _, end = (await self._reader.bounds([place]))[place]
        async for record in self._reader.read_between(place, cursor + 1, end):
            value = record.value or b""
            if mark(DryRunEnded) in value and untried.proposal.encode() in value:
                return True
        return False

    async def _bounded(self, shard: ShardId, book: BookId, untried: Untried) -> DryRun:
        """Try it within its time limit, again where the node fails. Raises: NodeError where the node fails."""
        trials: list[Trial] = []
        trouble: NodeError | None = None
        try:
            async with asyncio.timeout(self._timing.within_s):
                for failures in range(self._timing.tries):
                    if failures:
                        await asyncio.sleep(retry_delay_s(Timing(), failures))
                    try:
                        trials.append(await self._trial(shard, book, untried))
                        return await self._run(trials[-1], untried)
                    except NodeError as error:
                        trouble = error
                        log.warning("the node fails", book=book, error=redact(str(error)))
        except TimeoutError:
            if trouble is None:
                failed = NotTried("failed", f"no end within {self._timing.within_s:g} s")
                return trials[-1].told(failed.outcome, failed.reason) if trials else _told_nothing(failed)
        except NotTried as end:
            return trials[-1].told(end.outcome, end.reason, end.refusal) if trials else _told_nothing(end)
        if isinstance(trouble, PASSING_TROUBLE):
            raise trouble
        failed = NotTried("failed", redact(str(trouble)))
        return trials[-1].told(failed.outcome, failed.reason) if trials else _told_nothing(failed)

    async def _trial(self, shard: ShardId, book: BookId, untried: Untried) -> Trial:
        """Load the shard's committed state, and the record that the proposal follows from. Raises: NotTried."""
        offset = await self._offset_of(shard, untried)
        place = TopicPartition(EVENTS.on(self._chain_id), shard)
        record = await self._reader.record_at(place, offset)
        if record is None:
            raise NotTried("too_old", f"the log no longer has record {offset}")
        event = decode_event(record.value or b"", where=record.where)
        seen = seen_at(event, untried.at.number)
        if seen is None:
            raise NotTried("failed", f"record {offset} does not tell of block {untried.at.number}")
        return Trial(await load_shard(self._reader, self._chain_id, shard), book, untried, offset, seen)

    async def _offset_of(self, shard: ShardId, untried: Untried) -> Offset:
        """Find a proposal among the last decisions, which name the records that they follow from. Raises: NotTried."""
        place = TopicPartition(DECISIONS.on(self._chain_id), shard)
        for count in _LAST_DECISIONS:
            for record in reversed(await self._reader.last(place, count)):
                offset = _cause_of(untried.proposal, record)
                if offset is not None:
                    return offset
            await asyncio.sleep(_COMMITTED_S)
        raise NotTried("too_old", f"the proposal is not among the last {_LAST_DECISIONS[-1]} decisions")

    async def _run(self, trial: Trial, untried: Untried) -> DryRun:
        try:
            async with self._forks.at(untried.at, trial.policy.owner, trial.block_s) as fork:
                self._reach("forked")
                return await trial.run(fork)
        except (NotTried, NodeError, TimeoutError):
            raise
        except Exception as error:
            log.exception("a dry-run fails")
            raise NotTried("failed", redact(f"{type(error).__name__}: {error}")) from error


def _cause_of(proposal: str, record: Record) -> Offset | None:
    """Return the offset that a decision follows from, if it is this proposal."""
    value = record.value or b""
    if mark(RebalanceProposed) not in value or proposal.encode() not in value:
        return None
    try:
        said = decode_output(value, where=record.where)
    except (MalformedRecordError, NewerRecordError):
        return None
    if isinstance(said, RebalanceProposed) and said.id.rpartition(".")[2] == proposal:
        return said.because_of.offset
    return None


def _told_nothing(end: NotTried) -> DryRun:
    return DryRun(outcome=end.outcome, reason=end.reason, refusal=end.refusal)
