"""Publish a process's heartbeat on `processes.v1` every few seconds, without delaying its work."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

import msgspec
import structlog
from aiokafka.errors import KafkaError

from pipeline.errors import EvenkeelError, TopicMissingError
from pipeline.messages.processes import NodeSeen, ProcessRole, ProcessSeen, ShardHead
from pipeline.units import Address, BlockNumber, ChainId, Seconds, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.clients import plain_producer
from streams.kafka.codec import encode
from streams.kafka.errors import started, stopped
from streams.kafka.topics import PROCESSES
from streams.last_error import LastError

log = structlog.get_logger(__name__)

BEAT_S = 5
_WRITE_S = 4.0
"""For one record; shorter than a beat."""
_CONNECT_S = 20.0
"""On a machine that is busy it takes several beats, and begun again each time it would never end."""
_LAST_S = 1.0
"""For the last record: the process is about to end."""
SAY_EVERY_S = 30.0
_PARTITION = 0
"""A process belongs to no shard."""


class Progress(msgspec.Struct, frozen=True):
    """How far a process is."""

    heads: Mapping[ShardId, BlockNumber] = {}
    newest_block: BlockNumber | None = None
    nodes: tuple[NodeSeen, ...] = ()
    trouble: str | None = None
    """Why what it follows may not be the present; None where nothing says so."""


def no_progress() -> Progress:
    """Return no progress, for a process that follows no chain."""
    return Progress()


@asynccontextmanager
async def beating(
    kafka: KafkaAccess,
    chain_id: ChainId,
    role: ProcessRole,
    instance: str,
    *,
    signer: Address | None = None,
    progress: Callable[[], Progress] = no_progress,
    beat_s: float = BEAT_S,
) -> AsyncIterator[None]:
    """Write heartbeats until the work inside ends: then a tombstone, or, where it raises, a last record that says why.

    What cannot be written is a line in the log, then one every 30 s; the work goes on.
    """
    me = ProcessSeen(
        role=role,
        instance=instance,
        signer=signer,
        pid=os.getpid(),
        release=version("evenkeel"),
        started_at_s=Seconds(int(time.time())),
        beat_s=Seconds(max(1, int(beat_s))),
        heads=(),
        newest_block=None,
        last_error=None,
        last_error_at_s=None,
    )
    heart = _Heart(kafka, PROCESSES.on(chain_id), me, progress)
    root = logging.getLogger()
    root.addHandler(heart.errors)
    task = asyncio.create_task(heart.beat(beat_s))
    try:
        yield
    except Exception as error:
        heart.errors.keep(f"it ended: {error or type(error).__name__}", int(time.time()))
        await heart.end(task, tombstone=False)
        raise
    except BaseException:
        await heart.end(task, tombstone=True)
        raise
    else:
        await heart.end(task, tombstone=True)
    finally:
        root.removeHandler(heart.errors)


class _Heart:
    """Writes one process's record again and again."""

    def __init__(
        self, kafka: KafkaAccess, topic: str, me: ProcessSeen, progress: Callable[[], Progress]
    ) -> None:
        self._kafka, self._topic, self._me, self._progress = kafka, topic, me, progress
        self._producer: Any = None
        self._said_at_s: float | None = None
        self._left_out = 0
        self.errors = LastError(besides=__name__)

    async def beat(self, beat_s: float) -> None:
        """Write on and on, until cancelled."""
        while True:
            await self._write(self._record, _WRITE_S)
            await asyncio.sleep(beat_s)

    async def end(self, beats: "asyncio.Task[None]", *, tombstone: bool) -> None:
        """Stop beating and write the last record, within a second or so. Never raises but where it is cancelled."""
        beats.cancel()
        await asyncio.wait({beats})
        if self._producer is not None:  # else nothing was ever written
            await self._write((lambda: None) if tombstone else self._record, _LAST_S)
            await self._drop(self._producer)

    async def _write(self, record: Callable[[], bytes | None], within_s: float) -> None:
        """Write one record; say so where that fails."""
        try:
            if self._producer is None:
                async with asyncio.timeout(_CONNECT_S):
                    self._producer = await self._connected()
            async with asyncio.timeout(within_s):
                await self._producer.send_and_wait(
                    self._topic, key=self._me.key.encode(), value=record(), partition=_PARTITION
                )
        except (EvenkeelError, KafkaError, OSError, TimeoutError) as error:
            self._say(str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a defect of a heartbeat stops nobody's work
            self._say(repr(error))
        else:
            self._said_at_s, self._left_out = None, 0

    def _record(self) -> bytes:
        progress, line = self._progress(), self.errors.line
        heads = [ShardHead(shard=shard, block=block) for shard, block in sorted(progress.heads.items())]
        return encode(
            msgspec.structs.replace(
                self._me,
                heads=tuple(heads),
                newest_block=progress.newest_block,
                trouble=progress.trouble,
                nodes=progress.nodes,
                last_error=line and line.text,
                last_error_at_s=line and line.at_s,
            )
        )

    async def _connected(self) -> Any:
        """Connect, and make sure that the topic is there: a producer's question may create it otherwise."""
        # before we break it off: it would not close its connection
        producer = plain_producer(self._kafka, request_s=_WRITE_S * 0.75)
        try:
            await started(producer, self._kafka, writes=self._topic)
            await self._require_topic(producer)
        except BaseException:
            await self._drop(producer)
            raise
        return producer

    async def _require_topic(self, producer: Any) -> None:
        cluster = await producer.client.fetch_all_metadata()
        if not cluster.partitions_for_topic(self._topic):
            raise TopicMissingError(f"there is no topic {self._topic}, or we may not see it")

    async def _drop(self, producer: Any) -> None:
        with suppress(Exception):
            async with asyncio.timeout(_LAST_S):
                await stopped(producer)

    def _say(self, error: str) -> None:
        now_s = time.monotonic()
        if self._said_at_s is not None and now_s - self._said_at_s < SAY_EVERY_S:
            self._left_out += 1
            return
        log.warning("the heartbeat is not written", error=error, left_out=self._left_out)
        self._said_at_s, self._left_out = now_s, 0
