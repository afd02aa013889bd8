"""The port of a shard's log, as the watcher needs it. `kafka_log.py` is a broker's, `fake_log.py` is in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from pipeline import keys
from pipeline.keys import family, is_of_chain
from pipeline.messages.entries import Frame
from pipeline.state.tables import Value
from pipeline.units import Offset, ShardId
from pipeline.venues.registry import routing_kinds


class EventRecord(NamedTuple):
    """One record of a shard's `events.v1`."""

    offset: Offset
    payload: bytes | None
    """None: up to here there is no record, but what a transaction has left behind."""


class WatchLog(Protocol):
    """The shards' logs, and the state that a worker has committed of each.

    Raises: InfrastructureError where the broker does not answer in time or refuses; the process must end.
    """

    async def state(self, shard: ShardId) -> Mapping[str, Value]:
        """Read the committed entries that routing needs."""
        ...

    async def bounds(self, shard: ShardId) -> tuple[Offset, Offset]:
        """Return the offset of the first record kept, and the one after the last."""
        ...

    def history(self, shard: ShardId, start: Offset, end: Offset) -> AsyncIterator[EventRecord]:
        """Read the records from an offset up to before another."""
        ...

    async def follow(self, starts: Mapping[ShardId, Offset]) -> None:
        """Start reading every shard from an offset; `read` returns the records."""
        ...

    async def read(self, shard: ShardId, *, through: Offset | None = None) -> list[EventRecord]:
        """Return the records that have arrived since the last call; given an offset, wait for the record there."""
        ...

    async def append(self, shard: ShardId, payloads: Sequence[bytes]) -> Offset:
        """Append records in order and wait until the broker confirms them. Returns the last one's offset."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


ROUTING = keys.families(
    keys.HEAD,
    keys.route,
    keys.gift,
    keys.adopted,
    keys.policy,
    keys.WRITER,
    keys.HALTED,
    keys.resumed,
    keys.HIGHEST,
    keys.SET_ASIDE,
    keys.frame,
    keys.CURSOR,
)
"""The families of entries that say what a shard follows, at whichever venue."""


def routing_families() -> frozenset[str]:
    """List the families of entries that say what a shard follows, including those of its venues."""
    return ROUTING | routing_kinds()


def routing_only(value: Value) -> Value:
    """Remove from a frame what routing does not need, which is most of it."""
    if not isinstance(value, Frame):
        return value
    needed = routing_families()
    kept = {key: old for key, old in value.overwritten.items() if family(key) in needed and is_of_chain(key)}
    return Frame(block=value.block, overwritten=kept)
