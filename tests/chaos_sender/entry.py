"""A watcher, a worker or a signer as `evenkeel` runs it, which dies where a file says: entry.py KIND [SIGNER_FILE]."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import MalformedRecordError
from pipeline.messages.events import BlockSeen
from streams.cli.running import watch, work
from streams.cli.submitting import submit
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.codec import decode_event
from streams.submit import serve
from streams.submit.sending import Sending
from streams.watch.follower import Follower
from streams.watch.kafka_log import KafkaLog
from streams.work import keeper
from streams.work.fold import fold_record

ANYTHING = "anything"


class _Tagged(msgspec.Struct):
    type: str


class Fuse:
    """Kills this very process at the point that a file names, once."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def reach(self, point: str) -> None:
        try:
            armed = self._file.read_text()
        except FileNotFoundError:
            return
        if armed == point:
            self._file.rename(self._file.with_suffix(".fired"))
            os.kill(os.getpid(), signal.SIGKILL)


def kinds_of(payload: bytes | None) -> list[str]:
    """Name what a record of a log is, and a receipt in it."""
    try:
        event = decode_event(payload or b"", where="")
    except MalformedRecordError:
        return []
    return [type(event).__name__, *(["receipt"] if isinstance(event, BlockSeen) and event.receipts else [])]


def set_into_worker(fuse: Fuse) -> None:
    fold, commit = fold_record, KafkaCheckpoint.commit

    def folding(shard: Any, offset: Any, payload: bytes | None) -> Any:
        records = fold(shard, offset, payload)
        for kind in kinds_of(payload):
            fuse.reach(f"folds {kind}")
        return records

    async def committing(self: Any, records: Any, changes: Any) -> None:
        tags = (msgspec.json.decode(record.value, type=_Tagged).type for record in records if record.value)
        said = {tag.partition(".")[0] for tag in tags}
        if "PlanOpened" in said:
            said.discard("SubmitTransaction")
        for kind in (*said, ANYTHING):
            fuse.reach(f"{kind}, before the commit")
        await commit(self, records, changes)
        for kind in (*said, ANYTHING):
            fuse.reach(f"{kind}, after the commit")

    keeper.fold_record = folding  # type: ignore[attr-defined]
    KafkaCheckpoint.commit = committing  # type: ignore[method-assign]


def set_into_watcher(fuse: Fuse) -> None:
    append, take = KafkaLog.append, Follower.take

    async def appending(self: Any, shard: Any, payloads: Any) -> Any:
        kinds = {kind for payload in payloads for kind in kinds_of(payload)}
        for kind in kinds:
            fuse.reach(f"{kind}, before the append")
        placed = await append(self, shard, payloads)
        for kind in kinds:
            fuse.reach(f"{kind}, after the append")
        return placed

    def taking(self: Any, record: Any) -> Any:
        for kind in kinds_of(record.payload):
            fuse.reach(f"reads {kind}")
        return take(self, record)

    KafkaLog.append = appending  # type: ignore[method-assign]
    Follower.take = taking  # type: ignore[method-assign]


def set_into_submit(fuse: Fuse) -> None:
    run, offer = serve.run_submit, Sending._offer

    async def offering(self: Any, bound: Any, attempt: Any, look: Any) -> Any:
        fuse.reach(f"offers {bound.intent.step}")
        return await offer(self, bound, attempt, look)

    Sending._offer = offering  # type: ignore[method-assign]

    async def running(**arguments: Any) -> None:
        await run(**arguments, reach=fuse.reach)

    serve.run_submit = running


def main() -> None:
    kind, *rest = sys.argv[1:]
    fuse = Fuse(Path(os.environ["FUSE"]))
    if kind == "watch":
        set_into_watcher(fuse)
        watch()
    elif kind == "work":
        set_into_worker(fuse)
        work()
    else:
        set_into_submit(fuse)
        submit(Path(rest[0]), live=True)


if __name__ == "__main__":
    main()
