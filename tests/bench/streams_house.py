"""A deployment on a broker for measurements: its topics, their records, and the measured process."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from aiokafka import TopicPartition
from kafka_logs import append, read_committed

from pipeline import keys
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.port import load
from streams.kafka.clients import reader
from streams.kafka.codec import decode_entry, encode_entry
from streams.kafka.readers import Record
from streams.kafka.topics import EVENTS, OUTPUTS, STATE, Topic, ensure_topics

Kind = Literal["worker", "bare"]

_PROCESS = Path(__file__).with_name("streams_process.py")
_TIMEOUT_S = 900.0
_END_S = 15.0
_chain_ids = itertools.count(970_000)


class Commit(NamedTuple):
    """A shard's cursor as it was committed, and when the broker wrote it down."""

    offset: int
    at_s: float
    cpu_s: float
    """What the process had used when the commit could be read."""


class House:
    """A deployment of its own, so that every run begins with empty topics."""

    def __init__(self, bootstrap: str, folder: Path, partitions: int = 1) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        self.chain_id: Any = next(_chain_ids)
        self._folder = folder / str(self.chain_id)
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True)
        await ensure_topics(KafkaAccess(self.bootstrap), self.chain_id, self.partitions)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end()

    async def append(self, shard: int, payloads: Sequence[bytes]) -> None:
        await append(self.bootstrap, EVENTS.on(self.chain_id), shard, payloads)

    # -------------------------------------------------------------- the process
    def start(self, kind: Kind) -> None:
        """Start a worker, or the loop that it is compared with."""
        args = [kind, self.bootstrap, str(self.chain_id), str(self.partitions), str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, str(_PROCESS), *args], stdout=log, stderr=log)

    def end(self) -> None:
        """End the process in order, or else at once."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def memory_mib(self, what: Literal["VmRSS", "VmHWM"]) -> float:
        """Tell the resident memory of the process, now or at its highest."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024

    def cpu_s(self) -> float:
        """Tell how long the process has run on any core."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _must_run(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the process ended:\n{(self._folder / 'log').read_text()[-2000:]}")

    # -------------------------------------------------------------- what it commits
    async def commits(self, shard: int, last: int) -> list[Commit]:
        """Follow a shard's cursor until it reaches `last`."""
        found: list[Commit] = []
        async with self.reading(STATE, [shard]) as consumer, asyncio.timeout(_TIMEOUT_S):
            while not found or found[-1].offset < last:
                self._must_run()
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    cpu_s = self.cpu_s()
                    found += [
                        _commit(record, cpu_s) for record in records if record.key == keys.CURSOR.encode()
                    ]
        return found

    @asynccontextmanager
    async def reading(self, topic: Topic, shards: Sequence[int]) -> AsyncIterator[Any]:
        """Read some of a topic's partitions from their beginning, as committed."""
        consumer = reader(KafkaAccess(self.bootstrap))
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic.on(self.chain_id), shard) for shard in shards])
            yield consumer
        finally:
            await consumer.stop()

    async def digest(self, shard: int) -> str:
        """Shorten everything that a shard has said and keeps: equal where the work was equal."""
        digest = sha256()
        for topic in OUTPUTS:
            for key, value in await read_committed(self.bootstrap, topic.on(self.chain_id), shard):
                digest.update(repr((topic.name, key, value)).encode())
        name = STATE.on(self.chain_id)
        committed = await read_committed(self.bootstrap, name, shard)
        state = load(Record(name, shard, at, *entry, 0) for at, entry in enumerate(committed))
        for entry in sorted(state):
            digest.update(repr((entry, encode_entry(state[entry]))).encode())
        return digest.hexdigest()


def _commit(record: Any, cpu_s: float) -> Commit:
    return Commit(decode_entry(keys.CURSOR, record.value).offset, record.timestamp / 1000, cpu_s)
