"""A signer's broker in memory: a journal that fences and fails, logs, an inbox; everything goes through bytes."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline import keys
from pipeline.errors import CommitError, FencedError
from pipeline.messages.journal import AnyJournal, AnyReport
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Stop
from pipeline.units import Address, Offset, ShardId
from streams.kafka.checkpoint.fake import Crashed
from streams.kafka.codec import decode_event, decode_journal, encode
from streams.kafka.topics import TopicRecord
from streams.submit.journal import is_of
from streams.submit.pauses import Pauses
from streams.submit.port import Delivered, IntentsPassed, Stored

CommitPoint = Literal["begin", "before commit", "committed, not acknowledged"]


@dataclass(eq=False)
class FakeSignerBroker:
    """The data that outlive a process: journal, logs, dead letters and intents, as bytes."""

    stored: list[Stored] = field(default_factory=list)
    """The journal's partition, as a topic keeps it: nothing is replaced yet."""
    owner: object = None
    logs: dict[ShardId, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    letters: list[TopicRecord] = field(default_factory=list)
    intents: dict[ShardId, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    pauses: Pauses = field(default_factory=Pauses)

    def put(self, shard: ShardId, *intents: SubmitTransaction) -> None:
        """Append intents to a partition."""
        self.intents[shard] += [encode(intent) for intent in intents]

    def reports(self, shard: ShardId) -> list[AnyReport]:
        """Return the reports to a shard."""
        return [decode_event(payload, where="log") for payload in self.logs[shard]]  # type: ignore[misc]

    def journal(self) -> dict[bytes, bytes]:
        """Return the last value of each key."""
        found: dict[bytes, bytes] = {}
        for each in self.stored:
            found.pop(each.key, None)
            if each.value is not None:
                found[each.key] = each.value
        return found

    def entries(self) -> dict[str, AnyJournal]:
        """Return the journal's entries, unchecked."""
        return {key.decode(): decode_journal(value, where="journal") for key, value in self.journal().items()}

    def write(self, key: bytes, value: bytes | None) -> None:
        """Append a record to the journal, as anybody with write access to its topic can."""
        self.stored.append(Stored(key, value, 0, len(self.stored)))


@dataclass(eq=False)
class FakeJournal:
    """`submit_port.JournalStore` for one process, in memory; it may crash in its n-th commit."""

    broker: FakeSignerBroker
    crash_at: tuple[int, CommitPoint] | None = None
    commits: int = 0
    usable: bool = False

    async def open(self, marker: tuple[bytes, bytes], take: Callable[[Stored], None]) -> None:
        """Fence the former process and return what is stored."""
        self.broker.owner = self
        key, value = marker
        signer = Address(keys.signer_of(key.decode()))
        for stored in self.broker.stored:
            if is_of(stored.key, signer):
                take(stored)
        self.broker.write(key, value)
        self.usable = True

    async def commit(self, records: Mapping[bytes, bytes | None], others: Sequence[TopicRecord] = ()) -> None:
        """Write all or nothing. Raises: FencedError, CommitError, Crashed."""
        if not self.usable:
            raise CommitError("the journal is not open, or a commit has failed")
        self.usable = False
        self._reach("begin")
        self._reach("before commit")
        if self.broker.owner is not self:
            raise FencedError("another process signs now")
        for key, value in records.items():
            self.broker.write(key, value)
        self.broker.letters += others
        self._reach("committed, not acknowledged")
        self.commits += 1
        self.usable = True

    async def close(self) -> None:
        """Close it."""
        self.usable = False

    def _reach(self, point: CommitPoint) -> None:
        if self.crash_at == (self.commits, point):
            raise Crashed(point)


@dataclass(eq=False)
class FakeReports:
    """`submit_port.Reports` in memory."""

    broker: FakeSignerBroker

    async def append(self, shard: ShardId, reports: Sequence[AnyReport]) -> None:
        """Append to a shard's log."""
        self.broker.logs[shard] += [encode(report) for report in reports]

    async def close(self) -> None:
        """Do nothing: there is no connection."""


@dataclass(eq=False)
class FakeInbox:
    """`submit_port.Inbox` in memory."""

    broker: FakeSignerBroker
    taken: dict[ShardId, int] = field(default_factory=dict)

    async def passed(self, shard: ShardId, before: Offset | None) -> IntentsPassed:
        """Return the state of a partition up to an offset, or up to its end."""
        there = self.broker.intents[shard]
        place = len(there) if before is None else before
        last = Delivered(shard, Offset(place - 1), there[place - 1]) if 0 < place <= len(there) else None
        return IntentsPassed(Offset(0), Offset(len(there)), last)

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Start reading at offsets."""
        self.taken = dict(starts)

    def take(self) -> list[Delivered]:
        """Return the records that have arrived."""
        found = [
            Delivered(shard, Offset(offset), payload)
            for shard, start in self.taken.items()
            for offset, payload in enumerate(self.broker.intents[shard])
            if offset >= start
        ]
        self.taken = {shard: len(self.broker.intents[shard]) for shard in self.taken}
        return found

    def stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Return the pause that stops an intent."""
        return self.broker.pauses.stopping(intent)

    async def news(self, timeout_s: float) -> None:
        """Return at once."""
        del timeout_s

    async def close(self) -> None:
        """Do nothing: there is no connection."""
