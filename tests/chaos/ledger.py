"""The shards' logs on the broker: what happened to each record, and the position of each shard."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from chaos.tail import Tail

from pipeline.errors import MalformedRecordError
from pipeline.follow.due_reads import missing, wanted
from pipeline.follow.routes import Arrival, follow
from pipeline.messages.base import BlockRef
from pipeline.messages.entries import Cursor, Head, SetAside, Writer
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksPassed,
    HeadStalled,
    ObservationFailed,
    Observed,
    Resumed,
    WriterStarted,
)
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import ChainId
from streams.kafka.codec import decode_entry, decode_event
from streams.kafka.readers import Record
from streams.kafka.topics import EVENTS, STATE

_ARRIVALS = {
    Arrival.SET_ASIDE: "a block was set aside",
    Arrival.KNOWN: "a record that was known already",
    Arrival.OUTDATED: "a record of a replaced watcher",
    Arrival.ELSEWHERE: "a read or revert of another block",
    Arrival.HALTS: "a shard halted",
}


class Page:
    """One shard's log, folded by `follow` alone."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.payloads: list[bytes] = []
        self._half_read: frozenset[str] = frozenset()
        """What the present watcher found wanted of books of which something had been read."""

    @property
    def end(self) -> int:
        """Where the next record will stand."""
        return len(self.payloads)

    @property
    def writer(self) -> Writer:
        return self.tables.need("writer", Writer)

    def take(self, record: Record, rules: Counter[str]) -> AnyEvent | None:
        """Take the next record in, and count what it set off; None where it is not an event or does not apply."""
        assert record.offset == self.end, f"{record.where}: the log has a gap"
        self.payloads.append(record.value or b"")
        try:
            event = decode_event(record.value or b"", where=record.where)
        except MalformedRecordError:
            return None
        was_set_aside = self.tables.find("set-aside", SetAside) is not None
        was_halted = "halted" in self.tables.entries()
        arrival = follow(self.tables, event).arrival
        if arrival is not Arrival.APPLIES:
            if arrival in _ARRIVALS:
                rules[_ARRIVALS[arrival]] += 1
            return None
        self._count(event, rules, was_set_aside=was_set_aside, was_halted=was_halted)
        return event

    def _count(self, event: AnyEvent, rules: Counter[str], *, was_set_aside: bool, was_halted: bool) -> None:
        match event:
            case BlockSeen() | BlocksPassed():
                rules["a set-aside ended"] += was_set_aside
            case HeadStalled():
                rules["a chain that stands still was told"] += 1
            case ObservationFailed():
                rules["a read that failed was told"] += 1
            case Resumed():
                rules["a halted shard was resumed"] += was_halted
            case WriterStarted():
                rules["a watcher took over"] += 1
                self._half_read = frozenset(self.half_read())
            case _ if type(event).__name__ == "BlocksReverted":
                rules["a branch was undone"] += 1
            case _ if isinstance(event, Observed) and self._half_read:
                if not self._half_read & {want.item for want in wanted(self.tables)}:
                    self._half_read = frozenset()
                    rules["a bootstrap was taken up in the middle"] += 1
            case _:
                pass

    @property
    def unread(self) -> list[str]:
        """List what must still be read."""
        return [want.item for want in wanted(self.tables)]

    def half_read(self) -> list[str]:
        """List what is wanted of books of which something has been read already."""
        found = []
        for policy in policies(self.tables):
            unread = list(missing(self.tables, policy))
            items = {f"route/{item}" for item in _own_items(policy)}
            read = [
                key
                for key in items
                if key in self.tables.entries() and key.removeprefix("route/") not in unread
            ]
            found += unread if read else []
        return found


def _own_items(policy) -> list[str]:
    accounts = [f"balance/{a}/{t.address}" for a in policy.accounts for t in policy.tokens]
    return [
        *(f"pool/{pool}" for pool in policy.all_pools()),
        f"owner/{policy.chain.position_manager}/{policy.owner}",
        *accounts,
    ]


class Ledger:
    """Every shard's log, and what the workers have committed of it."""

    def __init__(self, bootstrap: str, chain_id: ChainId, partitions: int, rules: Counter[str]) -> None:
        self.pages = [Page() for _ in range(partitions)]
        self.heads: dict[int, BlockRef | None] = {}
        """Of the committed state."""
        self.cursors: dict[int, int] = {}
        self._rules = rules
        self._events = Tail(bootstrap, [EVENTS.on(chain_id)])
        self._states = Tail(bootstrap, [STATE.on(chain_id)])
        self._taken_over: dict[int, dict[int, BlockRef | None]] = defaultdict(dict)

    async def read(self) -> None:
        """Catch up with both. Raises: BrokerAwayError."""
        await self.read_logs()
        for record in await self._states.news():
            if record.key == b"head":
                entry = None if record.value is None else decode_entry("head", record.value)
                self.heads[record.shard] = entry.block if isinstance(entry, Head) else None
            elif record.key == b"cursor" and record.value is not None:
                cursor = decode_entry("cursor", record.value)
                assert isinstance(cursor, Cursor)
                self.cursors[record.shard] = cursor.offset

    async def read_logs(self) -> None:
        """Catch up with the logs alone. Raises: BrokerAwayError."""
        for record in await self._events.news():
            page = self.pages[record.shard]
            event = page.take(record, self._rules)
            if isinstance(event, WriterStarted):
                self._note_takeover(record.shard, event)

    async def close(self) -> None:
        await self._events.close()
        await self._states.close()

    @property
    def booked(self) -> list[int]:
        """The shards that have books."""
        return [shard for shard, page in enumerate(self.pages) if policies(page.tables)]

    @property
    def are_apart(self) -> bool:
        """Ask whether the logs of shards with books end at different blocks."""
        return _differ([self.pages[shard].tables.head for shard in self.booked])

    def _note_takeover(self, shard: int, event: WriterStarted) -> None:
        """Note a takeover: a watcher that finds the shards at different blocks continues each from its own."""
        heads = self._taken_over[event.term]
        heads[shard] = self.pages[shard].tables.head
        if len(heads) == len(self.pages) and _differ([heads[booked] for booked in self.booked]):
            self._rules["a block was taken up between partitions"] += 1


def _differ(heads: Sequence[BlockRef | None]) -> bool:
    return len({head.hash for head in heads if head is not None}) > 1
