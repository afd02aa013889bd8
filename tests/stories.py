"""A shard's log as bytes, the results of an undisturbed fold of it, and their comparison."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cache

from builders import started

from pipeline.errors import EventLogError
from pipeline.messages.events import Paused, Resumed
from pipeline.state.shard import Shard
from pipeline.state.tables import Value
from pipeline.units import Offset, ShardId
from streams.kafka.codec import encode
from streams.kafka.topics import OUTPUTS, TOPICS
from streams.work.fold import fold_log

Log = tuple[bytes | None, ...]
Said = dict[str, list[tuple[bytes, bytes | None]]]

NO_MESSAGES = (b"", None, b"\x00\xff", b'{"type":"BlockSeen","term":1.0}', b'{"type":"nonsense"}')


@cache
def story(seed: int, blocks: int = 12, depth: int = 4) -> Log:
    """Make a log in which a book is read, blocks come, a reorg happens, an operator pauses, and some bytes are not a message."""
    watcher = started(seed)
    for _ in range(blocks // 2):
        watcher.block()
    base = watcher.fork("other")
    for _ in range(depth):
        watcher.block(3)
    watcher.revert_to(base)
    watcher.append(Paused(scope="book/alpha", reason="lunch", by="me"))
    for _ in range(blocks - blocks // 2):
        watcher.block()
    watcher.append(Resumed(scope="book/alpha", reason="back", by="me"))
    watcher.block(4)
    payloads: list[bytes | None] = [encode(event) for event in watcher.log]
    for number, garbage in enumerate(NO_MESSAGES):
        payloads.insert((number + 1) * len(payloads) // (len(NO_MESSAGES) + 1), garbage)
    return tuple(payloads)


def undisturbed(shard_id: ShardId, log: Sequence[bytes | None]) -> tuple[Said, dict[str, Value]]:
    """Fold a log in one go: its outputs by topic, and the final entries."""
    shard = Shard(shard_id)
    said: Said = defaultdict(list)
    for record in fold_log(shard, ((Offset(at), payload) for at, payload in enumerate(log))):
        assert record.partition == shard_id
        said[record.topic].append((record.key, record.value))
    return dict(said), present(shard.tables.changes())


def present(changes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {key: value for key, value in changes.items() if value is not None}


SAID_ON = (*(topic.name for topic in OUTPUTS), TOPICS["dead-letters.v1"].name)


class ListLog:
    """The logs of shards as on a broker, in memory."""

    def __init__(self, logs: Mapping[ShardId, Sequence[bytes | None]], begins: int = 0) -> None:
        self.logs = logs
        self.begins = begins
        self.read: list[Offset] = []

    async def between(
        self, shard: ShardId, first: Offset, end: Offset
    ) -> AsyncIterator[tuple[Offset, bytes | None]]:
        if first < self.begins:
            raise EventLogError(f"the log now begins at {self.begins}")
        for offset in range(first, end):
            self.read.append(Offset(offset))
            yield Offset(offset), self.logs[shard][offset]

    async def ends(self, shards: Iterable[ShardId]) -> dict[ShardId, Offset]:
        return {shard: Offset(len(self.logs[shard])) for shard in shards}
