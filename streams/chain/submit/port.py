"""What a signer's process needs beside a node: its journal, the shards' logs to report to, and intents to serve."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pipeline.messages.journal import AnyJournal, AnyReport
from pipeline.messages.transactions import SubmitTransaction
from pipeline.offers import Stop
from pipeline.units import Offset, ShardId
from streams.topics import TopicRecord


class Delivered(NamedTuple):
    """A committed record of `intents.v1`."""

    shard: ShardId
    offset: Offset
    payload: bytes

    @property
    def where(self) -> str:
        """Name its place, for an error."""
        return f"intents.v1[{self.shard}]@{self.offset}"


class Journal(Protocol):
    """One signer's entries for one process. After any error it is of no more use."""

    async def open(self) -> list[AnyJournal]:
        """Fence the signer's former process and load what it committed. Raises: FencedError, CommitError."""
        ...

    async def commit(
        self, entries: Mapping[str, AnyJournal | None], others: Sequence[TopicRecord] = ()
    ) -> None:
        """Write entries by key (None: forgotten) and records of other topics, all or nothing.

        Raises: FencedError if another process has opened the journal since, CommitError if anything else fails.
        """
        ...

    async def close(self) -> None:
        """Let go of the journal. Never raises."""
        ...


class Reports(Protocol):
    """The shards' logs, to append to."""

    async def append(self, shard: ShardId, reports: Sequence[AnyReport]) -> None:
        """Append reports in order and wait for the broker's word. Raises: InfrastructureError."""
        ...

    async def close(self) -> None:
        """Let go of connections. Never raises."""
        ...


class Inbox(Protocol):
    """Intents as they come, and operators' pauses."""

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Begin to read every partition on from an offset; know all pauses that are in force. Raises: InfrastructureError."""
        ...

    def take(self) -> list[Delivered]:
        """Take what has come since the last time, of each partition in order. Raises: InfrastructureError."""
        ...

    def stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Tell which pause stops an intent: of all, of its book, or of a book whose owner or signer it names."""
        ...

    async def news(self, timeout_s: float) -> None:
        """Wait until something has come, or for so long."""
        ...

    async def close(self) -> None:
        """Let go of connections. Never raises."""
        ...
