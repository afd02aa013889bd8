"""The worker: a Faust app with one agent, which hands each record to the keeper of its shard.

Faust assigns shards and delivers records. What makes a record count, exactly once, is the keeper's transaction.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import faust

from pipeline.errors import InfrastructureError, StalledError
from pipeline.units import ChainId, Offset, ShardId
from streams.heartbeat import Progress, beating
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.checkpoint.port import Checkpoint
from streams.kafka.clients import FAUST
from streams.kafka.errors import denied
from streams.kafka.event_log import KafkaEventLog
from streams.kafka.roles import group_of_workers
from streams.kafka.topics import EVENTS, check_topics
from streams.plain_text import one_line
from streams.process import at_each_stop_signal, code_of
from streams.redaction import redact
from streams.work.allocator import give_back_freed_memory
from streams.work.collector import collect_less_often
from streams.work.committed_transport import CommittedTransport
from streams.work.group import Rejoined, check_group, watch_group
from streams.work.keeper import Arrived
from streams.work.keepers import WATCH_EVERY_S, Keepers

log = logging.getLogger(__name__)

EXIT_FAILED = 70
_CHATTY = ("faust", "mode", "aiokafka")
_RELEASE_S = 4.0
"""How long the present batches may take once we are to end; Faust may then take as long as below."""
_STOP_S = 2.0
_REBALANCE_S = 90.0
"""A rebalance takes a minute at most, where a member does not answer."""


def run_worker(kafka: KafkaAccess, chain_id: ChainId, partitions: int, instance: str, data_dir: Path) -> None:
    """Run the shards that the group assigns to this instance, until SIGTERM or SIGINT.

    Ends the process with 70, at once and without any clean-up, as soon as anything goes wrong: what was
    committed is whole, and its supervisor starts it again.

    Raises: TopicError before anything else, if a topic is missing or not as it must be.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    give_back_freed_memory()
    collect_less_often()
    asyncio.run(_Worker(kafka, chain_id, instance, data_dir).run(partitions))


class _Worker:
    def __init__(self, kafka: KafkaAccess, chain_id: ChainId, instance: str, data_dir: Path) -> None:
        self._kafka = kafka
        self._chain_id = chain_id
        self._instance = instance
        self._data_dir = data_dir

    async def run(self, partitions: int) -> None:
        told_to_stop = asyncio.Event()
        with at_each_stop_signal(told_to_stop.set):
            told = asyncio.create_task(told_to_stop.wait())
            if await _begun(check_topics(self._kafka, self._chain_id, partitions), told):
                with ending_the_process_on_any_error():
                    if await _begun(check_group(self._kafka, group_of_workers(self._chain_id)), told):
                        await self._work(told)
            _leave(0)

    async def _work(self, told: "asyncio.Task[Any]") -> None:
        events = KafkaEventLog(self._kafka, self._chain_id)
        keepers = Keepers(self._checkpoint, events, end_the_process)
        app = _app(self._kafka, self._chain_id, self._instance, self._data_dir)
        _keep_books_in(app, EVENTS.on(self._chain_id), keepers, Rejoined(self._instance))
        async with beating(
            *(self._kafka, self._chain_id, "work", self._instance), progress=lambda: Progress(keepers.heads())
        ):
            begun = await _begun(app.start(), told)
            if begun:
                log.info("worker %s is ready", self._instance)
                await self._until_told(told, app, keepers)
            await _release(keepers)
        if begun:  # in the middle of its start Faust cannot be stopped in order
            await _stop(app)

    async def _until_told(self, told: "asyncio.Task[Any]", app: Any, keepers: Keepers) -> None:
        """Run until told to end.

        Raises: StalledError, EventLogError, InfrastructureError, or AccessError where the broker no longer allows it.
        """
        group = watch_group(self._kafka, group_of_workers(self._chain_id))
        watches = [asyncio.create_task(each) for each in (keepers.watch(), watch_rebalances(app), group)]
        stopped = asyncio.create_task(app.wait_until_stopped())
        done, _ = await asyncio.wait({*watches, stopped, told}, return_when=asyncio.FIRST_COMPLETED)
        for watch in watches:
            if watch in done:
                watch.result()
            watch.cancel()
        if stopped in done:
            why = app.crash_reason
            raise (why and denied(why, self._kafka)) or InfrastructureError(f"Faust stopped: {why!r}")

    def _checkpoint(self) -> Checkpoint:
        return KafkaCheckpoint(self._kafka, self._chain_id, instance=self._instance)


def _app(kafka: KafkaAccess, chain_id: ChainId, instance: str, data_dir: Path) -> Any:
    """Make a Faust app that delivers records and stores nothing."""
    app = faust.App(
        group_of_workers(chain_id),
        broker=";".join(f"kafka://{server}" for server in kafka.bootstrap.split(",")),
        datadir=str(data_dir),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        consumer_group_instance_id=instance,
        broker_credentials=_credentials(kafka),
        **FAUST,
    )
    app.finalize()
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    return app


def _credentials(kafka: KafkaAccess) -> Any:
    """Convert the broker settings into Faust's, for its consumer and its producer."""
    if kafka.login is not None:
        return faust.SASLCredentials(
            username=kafka.login.user,
            password=kafka.login.password.get_secret_value(),
            mechanism=kafka.login.mechanism,
            ssl_context=kafka.tls,
        )
    return None if kafka.tls is None else faust.SSLCredentials(kafka.tls)


def _keep_books_in(app: Any, topic: str, keepers: Keepers, rejoined: Rejoined) -> None:
    """Add the one agent, and tell the keepers which shards they own."""
    events = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def keep_books(stream: Any) -> None:
        with ending_the_process_on_any_error():
            async for event in stream.noack().events():
                message = event.message
                record = Arrived(Offset(message.offset), message.value, event.ack)
                await keepers.arrive(ShardId(message.partition), record)

    async def assigned(_: Any, assigned: Any, **__: Any) -> None:
        rejoined.note()
        keepers.own(ShardId(partition.partition) for partition in assigned if partition.topic == topic)

    async def revoked(_: Any, revoked: Any, **__: Any) -> None:
        with ending_the_process_on_any_error():
            await keepers.release(
                ShardId(partition.partition) for partition in revoked if partition.topic == topic
            )

    app.agent(events, name="keep_books", concurrency=1)(keep_books)
    app.on_partitions_assigned.connect(assigned)
    app.on_partitions_revoked.connect(revoked)


async def watch_rebalances(app: Any) -> None:
    """End the process when Faust does not finish a rebalance: it would never process a record again.

    Raises: StalledError.
    """
    since_s = time.monotonic()
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        now_s = time.monotonic()
        since_s = since_s if app.rebalancing else now_s
        if now_s - since_s > _REBALANCE_S:
            raise StalledError(f"the group has been rebalanced for {now_s - since_s:.0f} s")


async def _begun(beginning: Coroutine[Any, Any, object], told: "asyncio.Task[Any]") -> bool:
    """Start the app, and return whether it ended before it was told to: joining a group may take long."""
    begun = asyncio.ensure_future(beginning)
    await asyncio.wait({begun, told}, return_when=asyncio.FIRST_COMPLETED)
    if begun.done():
        await begun
    return begun.done()


async def _release(keepers: Keepers) -> None:
    """Finish the present batches. Raises: StalledError if one does not end: leaving at once loses nothing."""
    try:
        await asyncio.wait_for(keepers.release_all(), _RELEASE_S)
    except TimeoutError:
        raise StalledError(
            f"told to end, and a batch does not within {_RELEASE_S:.0f} s: left as it is"
        ) from None
    log.info("every shard is closed")


async def _stop(app: Any) -> None:
    try:
        await asyncio.wait_for(app.stop(), _STOP_S)
    except TimeoutError:
        log.warning("Faust does not stop within %.0f s: left behind", _STOP_S)


@contextmanager
def ending_the_process_on_any_error() -> Iterator[None]:
    """Let nothing continue after an error, least of all an acknowledgement."""
    try:
        yield
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001
        end_the_process(error)


def end_the_process(error: BaseException) -> NoReturn:
    """Log why, and exit at once. What was committed is complete."""
    code = code_of(error, EXIT_FAILED)
    refused = code != EXIT_FAILED
    log.critical("the worker ends: %s", error, exc_info=None if refused else error)
    sys.stderr.write(f"evenkeel work: {type(error).__name__}: {one_line(redact(str(error)))}\n")
    _leave(code)


def _leave(code: int) -> NoReturn:
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
