"""One shard as the watcher knows it: a fold of what it reads back, never of what it sent."""

import structlog

from pipeline import keys
from pipeline.errors import FencedError, LogLostError, MalformedRecordError, NewerRecordError
from pipeline.follow.routes import Arrival, follow
from pipeline.messages.entries import Cursor, Halted, Writer
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksPassed,
    Observed,
    PolicyRemoved,
    PolicySet,
    Resumed,
    WriterStarted,
)
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Hash, Offset, ShardId, Term
from streams.kafka.codec import decode_event
from streams.kafka.topics import EVENTS
from streams.skipped_records import SkipCommands, why_halted
from streams.watch.logged_natives import LoggedNatives
from streams.watch.port import EventRecord, WatchLog

log = structlog.get_logger(__name__)

NO_TERM = Term(0)


class Follower:
    """The state that follows from one shard's log."""

    def __init__(self, shard: ShardId) -> None:
        """Start empty: `load` sets where to begin."""
        self.shard = shard
        self.tables = Tables()
        self.next_offset = Offset(0)
        self.checked: tuple[Hash | None, frozenset[str]] = (None, frozenset())
        """What was checked at a block's hash."""
        self.told = LoggedNatives()
        """The coin balances as the head's record and those before it tell them."""
        self.halted: str | None = None
        """Why nothing behind `next_offset` can be followed here: a newer Evenkeel wrote that record."""
        self._unread: tuple[Offset, bytes, NewerRecordError] | None = None
        """That record."""
        self._skip_commands = SkipCommands()
        self._written_at: Offset | None = None
        """Where the present writer began, if that was read."""

    async def load(self, event_log: WatchLog) -> None:
        """Load what the worker has committed and fold the log from there to its end.

        Raises: InfrastructureError if the log no longer reaches back to what was committed.
        """
        entries = dict(await event_log.state(self.shard))
        first, end = await event_log.bounds(self.shard)
        cursor = entries.pop("cursor", None)
        start = Offset(cursor.offset + 1) if isinstance(cursor, Cursor) else Offset(0)
        self._check_reach(start, first, end)
        self.tables, self.next_offset, self._written_at = Tables(entries), start, None
        async for record in event_log.history(self.shard, start, end):
            self.take(record)
        await self.go_on(event_log)

    async def go_on(self, event_log: WatchLog) -> bool:
        """Continue behind a record that halted the shard, once an operator has asked to skip it. Raises: InfrastructureError."""
        before = self.halted
        while self._unread is not None and self._skip_commands.permitted_for(*self._unread) is not None:
            log.warning("goes on: an operator has passed the record over", shard=self.shard, why=self.halted)
            self.halted = self._unread = None
            _, end = await event_log.bounds(self.shard)
            async for record in event_log.history(self.shard, self.next_offset, end):
                self.take(record)
        return before is not None and self.halted is None

    def take(self, record: EventRecord) -> None:
        """Fold one record; records before the next expected offset are ignored, those behind a halt are only searched for a skip request."""
        if record.offset < self.next_offset:
            return
        if self._unread is not None:
            self._skip_commands.take(record.offset, record.payload)
            return
        if record.payload is not None and record.offset > self.next_offset:
            raise LogLostError(
                f"shard {self.shard}: the log goes on at {record.offset}, expected was {self.next_offset}"
            )
        payload = record.payload
        try:
            event = None if payload is None else self._event_in(payload, record.offset)
        except NewerRecordError as error:
            if self._skip_commands.permitted_for(record.offset, payload or b"", error) is None:
                self._unread = (record.offset, payload or b"", error)
                self.halted = why_halted(self.shard, record.offset, error)
                return
            event = None
        self.next_offset = Offset(record.offset + 1)
        if event is not None:
            self._follow(event, record.offset)

    def _event_in(self, payload: bytes, offset: Offset) -> AnyEvent | None:
        try:
            return decode_event(payload, where=f"{EVENTS.name}[{self.shard}]@{offset}")
        except MalformedRecordError as error:
            log.warning(
                "skips a record that is not an event", shard=self.shard, offset=offset, error=str(error)
            )
        return None

    @property
    def term(self) -> Term:
        """The term whose records count here; 0 before any."""
        writer = self.tables.find(keys.WRITER, Writer)
        return NO_TERM if writer is None else writer.term

    @property
    def is_idle(self) -> bool:
        """Return whether nothing may be written here: the shard has no books, waits for an operator, or is halted."""
        return (
            self.halted is not None
            or self.tables.find(keys.HALTED, Halted) is not None
            or not policies(self.tables)
        )

    def check_writer(self, term: Term, marker: Offset) -> None:
        """Check that the records of the watcher that began here still count. Raises: FencedError.

        Behind a halt nobody can tell, and nothing is written.
        """
        if self.halted is not None:
            return
        if self.term != term or self._written_at != marker:
            raise FencedError(
                f"shard {self.shard}: another watcher writes since, with term {self.term}; ours is {term}"
            )

    def _follow(self, event: AnyEvent, offset: Offset) -> None:
        arrival = follow(self.tables, event).arrival
        if arrival is not Arrival.APPLIES:
            log.debug("does not apply", shard=self.shard, offset=offset, arrival=arrival.name)
            return
        match event:
            case WriterStarted():
                self._written_at = offset
            case BlockSeen():
                self.told = self.told.after(event)
            case BlocksPassed():
                self.told = self.told.after_run(event)
            case PolicySet() | PolicyRemoved() | Resumed():
                self.told = LoggedNatives()  # what a worker knows may have been forgotten
            case Observed() if event.why == "check":
                self._note_check(event)
            case _:
                pass

    def _note_check(self, event: Observed) -> None:
        at, items = self.checked
        items = items if at == event.block.hash else frozenset()
        self.checked = (event.block.hash, items | {event.item})

    def _check_reach(self, start: Offset, first: Offset, end: Offset) -> None:
        if start < first:
            raise LogLostError(
                f"shard {self.shard}: the log begins at {first}, what was committed ends before {start}: "
                "records between are lost, its retention must be unlimited"
            )
        if start > end:
            raise LogLostError(
                f"shard {self.shard}: the log ends at {end}, but {start} records are in the committed state: "
                "it is not the log that the state was made from"
            )
