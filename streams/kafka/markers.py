"""Recognise offsets of a shard's log without a committed record, which a stranger's transaction leaves behind.

`events.v1` is written without transactions. Should somebody write to it in one all the same, its end takes an
offset, and what it took back keeps its own. Both are told from a record that is missing by the batches themselves.
"""

from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from pipeline.errors import LogLostError
from streams.kafka.clients import MAX_RECORD_BYTES

_WAIT_MS = 500
_UNCOMMITTED = 0
"""Isolation level: show every batch there is."""


class GapContents(NamedTuple):
    """The contents of a gap between offsets."""

    control: int
    """Offsets that mark the end of a transaction."""
    aborted: int
    """Offsets of records that were never committed."""


async def require_no_record(consumer: Any, partition: TopicPartition, first: int, end: int) -> GapContents:
    """Check that no record is missing between two offsets, the second excluded.

    The consumer reads what is committed and found none there. Raises: LogLostError naming what is missing and what
    to do, KafkaError.
    """
    control = aborted = 0
    expected = first
    while expected < end:
        batches = await _batches(consumer, partition, expected)
        if not batches:
            break
        for batch in batches:
            begin, following = max(batch.base_offset, expected), min(batch.next_offset, end)
            if begin > expected and begin < end:
                raise _missing(partition, expected, begin)
            if not (batch.is_control_batch or batch.is_transactional) and begin < end:
                raise _missing(partition, begin, following)
            control += max(following - begin, 0) if batch.is_control_batch else 0
            aborted += 0 if batch.is_control_batch else max(following - begin, 0)
            expected = max(expected, following)
            if expected >= end:
                break
    if expected < end:
        raise _missing(partition, expected, end)
    return GapContents(control, aborted)


def _missing(partition: TopicPartition, first: int, end: int) -> LogLostError:
    return LogLostError(
        f"{partition.topic}[{partition.partition}]: records {first} to {end - 1} are missing from the log, and no "
        "transaction explains it. Restore the topic from its mirror, offsets kept; where there is none, begin a new "
        "log: docs/operations.md, 'After a loss'"
    )


async def _batches(consumer: Any, partition: TopicPartition, offset: int) -> list[Any]:
    """Fetch the raw batches from an offset on. Raises: KafkaError."""
    client = consumer._client  # noqa: SLF001 - a consumer shows records only
    node = client.cluster.leader_for_partition(partition)
    if node is None:
        await client.force_metadata_update()
        node = client.cluster.leader_for_partition(partition)
    wanted = [(partition.topic, [(partition.partition, offset, MAX_RECORD_BYTES)])]
    answer = await client.send(node, FetchRequest(_WAIT_MS, 1, MAX_RECORD_BYTES, _UNCOMMITTED, wanted))
    found = []
    for _, parts in answer.topics:
        for part in parts:
            error = for_code(part[1])
            if error.errno:
                raise error()
            records = MemoryRecords(part[-1])
            while records.has_next():
                found.append(records.next_batch())
    return found
