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
        """Name the record's place, for an error."""
        return f"intents.v1[{self.shard}]@{self.offset}"

    @property
    def digest(self) -> str:
        """SHA-256 of the record's bytes, in hex, which identifies it."""
        return sha256(self.payload).hexdigest()


class IntentsPassed(NamedTuple):
    """The state of a partition of `intents.v1` on the broker, up to an offset."""

    begin: Offset
    """Of the first record that is still kept."""
    end: Offset
    """One after the last record."""
    last: Delivered | None
    """The record right before the offset; None if there is none."""


class Stored(NamedTuple):
    """A record under one of a signer's keys, with its place."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int

    @property
    def where(self) -> str:
        """Name the record's place, for an error."""
        return f"nonces.v1[{self.partition}]@{self.offset}"

    @property
    def name(self) -> str:
        """Return the key for display."""
        return self.key.decode(errors="replace")


class JournalStore(Protocol):
    """One signer's records for one process, as bytes, whoever wrote them. Unusable after any error."""

    async def open(self, marker: tuple[bytes, bytes], take: Callable[[Stored], None]) -> None:
        """Fence the signer's former process, write a marker, and return every record before it, in order.

        The marker is a key and a value that nobody has written before. Raises: FencedError, CommitError.
        """
        ...

    async def commit(self, records: Mapping[bytes, bytes | None], others: Sequence[TopicRecord] = ()) -> None:
        """Write values by key (None deletes) and records of other topics, all or nothing.

        Raises: FencedError if another process has opened the journal since, CommitError if anything else fails.
        """
        ...

    async def close(self) -> None:
        """Close the connections. Never raises."""
        ...


class Journal(Protocol):
    """One signer's entries for one process, each proven to be the signer's own. Unusable after any error."""

    async def open(self) -> list[AnyJournal]:
        """Fence the signer's former process and load what it committed. Raises: FencedError, CommitError, JournalError."""
        ...

    async def commit(
        self, entries: Mapping[str, AnyJournal | None], others: Sequence[TopicRecord] = ()
    ) -> None:
        """Write entries by key (None deletes) and records of other topics, all or nothing.

        Raises: FencedError if another process has opened the journal since, CommitError if anything else fails.
        """
        ...

    async def close(self) -> None:
        """Close the connections. Never raises."""
        ...


class Reports(Protocol):
    """The shards' logs, for appending reports."""

    async def append(self, shard: ShardId, reports: Sequence[AnyReport]) -> None:
        """Append reports in order and wait until the broker confirms them. Raises: InfrastructureError."""
        ...

    async def close(self) -> None:
        """Close the connections. Never raises."""
        ...


class Inbox(Protocol):
    """Arriving intents, and operators' pauses."""

    async def passed(self, shard: ShardId, before: Offset | None) -> IntentsPassed:
        """Return the state of a partition up to an offset, or up to its end. Raises: InfrastructureError."""
        ...

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Start reading every partition from an offset, with all pauses in force known. Raises: InfrastructureError."""
        ...

    def take(self) -> list[Delivered]:
        """Return what has arrived since the last call, each partition in order. Raises: InfrastructureError."""
        ...

    def stop_of(self, intent: SubmitTransaction) -> Stop | None:
        """Return the pause that stops an intent: of everything, of its book, or of a book with the same owner or signer."""
        ...

    async def news(self, timeout_s: float) -> None:
        """Wait until something has arrived, at most for a timeout."""
        ...

    async def close(self) -> None:
        """Close the connections. Never raises."""
        ...
