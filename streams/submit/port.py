"""The port of a signer's process besides its node: its journal, the shards' logs to report to, and its inbox."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

from pipeline.messages.journal import AnyJournal, AnyReport
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Stop
from pipeline.units import Offset, ShardId
from streams.kafka.topics import TopicRecord


class Delivered(NamedTuple):
    """A committed record of `intents.v1`."""

    shard: ShardId
    offset: Offset
    payload: bytes

    @property
    def where(self) -> str:
        """Name its place, for an error."""
        return f"intents.v1[{self.shard}]@{self.offset}"

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, in hex: by it the record is known again."""
        return sha256(self.payload).hexdigest()


class IntentsPassed(NamedTuple):
    """A partition of `intents.v1` up to an offset, as it is on the broker."""

    begin: Offset
    """Of the first record that is still kept."""
    end: Offset
    """One after the last record."""
    last: Delivered | None
    """The record right before the offset; None if there is none."""


class Stored(NamedTuple):
    """A record under one of a signer's keys, and its place."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int

    @property
    def where(self) -> str:
        """Name its place, for an error."""
        return f"nonces.v1[{self.partition}]@{self.offset}"

    @property
    def name(self) -> str:
        """Show its key."""
        return self.key.decode(errors="replace")


class JournalStore(Protocol):
    """One signer's records for one process, as bytes: who wrote them is not asked here. After any error it is of no more use."""

    async def open(self, marker: tuple[bytes, bytes], take: Callable[[Stored], None]) -> None:
        """Fence the signer's former process, write a marker, and hand over every record before it, in order.

        The marker is a key and a value that nobody has written before. Raises: FencedError, CommitError.
        """
        ...

    async def commit(self, records: Mapping[bytes, bytes | None], others: Sequence[TopicRecord] = ()) -> None:
        """Write values by key (None: deleted) and records of other topics, all or nothing.

        Raises: FencedError if another process has opened the journal since, CommitError if anything else fails.
        """
        ...

    async def close(self) -> None:
        """Close the connections. Never raises."""
        ...


class Journal(Protocol):
    """One signer's entries for one process, each known to be the signer's own. After any error it is of no more use."""

    async def open(self) -> list[AnyJournal]:
        """Fence the signer's former process and load what it committed. Raises: FencedError, CommitError, JournalError."""
        ...

    async def commit(
        self, entries: Mapping[str, AnyJournal | None], others: Sequence[TopicRecord] = ()
    ) -> None:
        """Write entries by key (None: forgotten) and records of other topics, all or nothing.

        Raises: FencedError if another process has opened the journal since, CommitError if anything else fails.
        """
        ...

    async def close(self) -> None:
        """Close the connections. Never raises."""
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

    async def passed(self, shard: ShardId, before: Offset | None) -> IntentsPassed:
        """Look at a partition up to an offset, or up to its end. Raises: InfrastructureError."""
        ...

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Begin to read every partition on from an offset; know all pauses that are in force. Raises: InfrastructureError."""
        ...

    def take(self) -> list[Delivered]:
        """Take what has come since the last time, of each partition in order. Raises: InfrastructureError."""
        ...

    def stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Return which pause stops an intent: of all, of its book, or of a book whose owner or signer it names."""
        ...

    async def news(self, timeout_s: float) -> None:
        """Wait until something has come, but no longer than a timeout."""
        ...

    async def close(self) -> None:
        """Let go of connections. Never raises."""
        ...
