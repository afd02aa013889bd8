"""A signer's broker in memory: a journal that fences and fails, logs, an inbox; everything goes through bytes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline.errors import CommitError, FencedError
from pipeline.messages.journal import AnyJournal, AnyReport, JournalOpened
from pipeline.messages.transactions import SubmitTransaction
from pipeline.offers import Stop
from pipeline.units import Offset, ShardId
from streams.chain.submit.pauses import Pauses
from streams.chain.submit.port import Delivered
from streams.checkpoint.fake import Crashed
from streams.codec import decode_event, decode_journal, encode
from streams.topics import TopicRecord

CommitPoint = Literal["begin", "before commit", "committed, not acknowledged"]


@dataclass(eq=False)
class FakeSignerBroker:
    """What outlives a process: journal, logs, dead letters and intents, as bytes."""

    journal: dict[str, bytes] = field(default_factory=dict)
    owner: object = None
    logs: dict[ShardId, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    letters: list[TopicRecord] = field(default_factory=list)
    intents: dict[ShardId, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    pauses: Pauses = field(default_factory=Pauses)

    def put(self, shard: ShardId, *intents: SubmitTransaction) -> None:
        """Append intents to a partition."""
        self.intents[shard] += [encode(intent) for intent in intents]

    def reports(self, shard: ShardId) -> list[AnyReport]:
        """Read what was said to a shard."""
        return [decode_event(payload, where="log") for payload in self.logs[shard]]  # type: ignore[misc]

    def entries(self) -> dict[str, AnyJournal]:
        """Read the journal."""
        return {key: decode_journal(value, where=key) for key, value in self.journal.items()}


@dataclass(eq=False)
class FakeJournal:
    """`submit_port.Journal` for one process, which may die in its n-th commit."""

    broker: FakeSignerBroker
    crash_at: tuple[int, CommitPoint] | None = None
    commits: int = 0
    usable: bool = False

    async def open(self) -> list[AnyJournal]:
        """Fence whoever had it and load what was committed."""
        self.broker.owner = self
        self.usable = True
        return [entry for entry in self.broker.entries().values() if not isinstance(entry, JournalOpened)]

    async def commit(
        self, entries: Mapping[str, AnyJournal | None], others: Sequence[TopicRecord] = ()
    ) -> None:
        """Write all or nothing. Raises: FencedError, CommitError, Crashed."""
        if not self.usable:
            raise CommitError("the journal is not open, or a commit has failed")
        self.usable = False
        self._reach("begin")
        payloads = {key: None if entry is None else encode(entry) for key, entry in entries.items()}
        self._reach("before commit")
        if self.broker.owner is not self:
            raise FencedError("another process signs now")
        for key, payload in payloads.items():
            self.broker.journal.pop(key, None)
            if payload is not None:
                self.broker.journal[key] = payload
        self.broker.letters += others
        self._reach("committed, not acknowledged")
        self.commits += 1
        self.usable = True

    async def close(self) -> None:
        """Let go."""
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
        """Nothing to let go of."""


@dataclass(eq=False)
class FakeInbox:
    """`submit_port.Inbox` in memory."""

    broker: FakeSignerBroker
    taken: dict[ShardId, int] = field(default_factory=dict)

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Begin at offsets."""
        self.taken = dict(starts)

    def take(self) -> list[Delivered]:
        """Take what has come."""
        found = [
            Delivered(shard, Offset(offset), payload)
            for shard, start in self.taken.items()
            for offset, payload in enumerate(self.broker.intents[shard])
            if offset >= start
        ]
        self.taken = {shard: len(self.broker.intents[shard]) for shard in self.taken}
        return found

    def stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Tell which pause stops an intent."""
        return self.broker.pauses.stopping(intent)

    async def news(self, timeout_s: float) -> None:
        """Wait for nothing."""
        del timeout_s

    async def close(self) -> None:
        """Nothing to let go of."""
