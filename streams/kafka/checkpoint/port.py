"""The port of a checkpoint, and what every implementation shares."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pipeline.errors import CommitError, MalformedRecordError, NewerRecordError, StateSpoiledError
from pipeline.keys import family
from pipeline.state.tables import Value
from pipeline.units import ShardId
from streams.kafka.codec import entry_reader
from streams.kafka.readers import Record
from streams.kafka.topics import TopicRecord

OPEN_TIMEOUT_S = 30.0
COMMIT_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 1.5

OPENED = b"opened"
"""Key of the marker that an opening writes among the entries, to know when it has read them all."""

T = TypeVar("T")


class Checkpoint(Protocol):
    """Holds one shard's entries for one process. Unusable after any error."""

    async def open(self, shard: ShardId) -> dict[str, Value]:
        """Fence the shard's former owner and load what it committed.

        Raises: FencedError if another opens the shard meanwhile, CommitError if it takes too long,
        StateLostError if what was committed is not there any more.
        """

    async def commit(self, records: Sequence[TopicRecord], changes: Mapping[str, Value | None]) -> None:
        """Write a batch's results, all or nothing.

        Raises: FencedError if another has opened the shard since, CommitError if anything else fails: then
        nobody can tell whether it was committed, and only opening again shows it.
        """

    async def close(self) -> None:
        """Release the shard. Never raises."""


def load(committed: Iterable[Record]) -> dict[str, Value]:
    """Fold the records of a shard's state into its entries; only the order within each key counts.

    Raises: StateSpoiledError naming the first record that is not an entry, unless a later one has replaced it; NewerRecordError
    naming one of a newer Evenkeel.
    """
    latest: dict[bytes, Record] = {}
    keep_latest(latest, committed)
    return entries_of(latest)


def keep_latest(latest: dict[bytes, Record], committed: Iterable[Record]) -> None:
    """Take in further records of a shard's state: of each key the last, unless it deletes."""
    for record in committed:
        key = record.key or b""
        latest.pop(key, None)
        if record.value is not None and key != OPENED:
            latest[key] = record


def entries_of(latest: Mapping[bytes, Record]) -> dict[str, Value]:
    """Read the entries in the last record of each key. Raises: as `load`."""
    read = entry_reader()
    return dict([_entry(read, record) for record in latest.values()])


def family_of(record: Record) -> str:
    """Return the family of the entry that a record holds."""
    return family(_name(record))


def _name(record: Record) -> str:
    return (record.key or b"").decode(errors="backslashreplace")


def _entry(read: Callable[[str, bytes], Value], record: Record) -> tuple[str, Value]:
    try:
        name = (record.key or b"").decode()
    except UnicodeDecodeError:
        raise _spoiled(record, f"{_name(record)}: its key is not UTF-8") from None
    try:
        return name, read(name, record.value or b"")
    except MalformedRecordError as error:
        raise _spoiled(record, str(error)) from error
    except NewerRecordError as error:
        raise NewerRecordError(f"{record.where}: {error}") from error


def _spoiled(record: Record, why: str) -> StateSpoiledError:
    return StateSpoiledError(
        f"{record.where} is not an entry of a shard's state, so the state cannot be known: {why}. "
        "Find out who wrote it, then make the state again from the log (docs/operations.md, After a loss)"
    )


def cut_off(topic: str, shard: ShardId, begins_at: int) -> str:
    """Return the error for a shard whose first state records are gone."""
    return (
        f"shard {shard}: {topic}[{shard}] begins at {begins_at}: what lay before was deleted, so its state cannot be "
        "known. Restore the topic"
    )


def nothing_kept(shard: ShardId, where: str) -> str:
    """Return the error for a shard that has published outputs and has no state."""
    return (
        f"shard {shard}: no state is kept of it, yet it has said {where}: its state was lost, and to fold its log again "
        "would say everything twice. Restore the topic"
    )


async def bounded(work: Coroutine[Any, Any, T], timeout_s: float, name: str) -> T:
    """Await something for a limited time, even if it ignores its cancellation. Raises: CommitError."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        if not task.done():
            task.add_done_callback(_forget)
            task.cancel()
    if not task.done():
        raise CommitError(f"{name} took longer than {timeout_s} s")
    return task.result()


def _forget(task: "asyncio.Future[Any]") -> None:
    """Retrieve the result of work that ended late, so that asyncio does not warn."""
    if not task.cancelled():
        task.exception()
