"""Run a real Kafka broker in KRaft mode, alone on this machine."""

import base64
import hashlib
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import DevnetError
from streams.kafka.access import KafkaAccess

from . import processes
from .cache import DEFAULT_CACHE, made_once
from .jars import jars, java_command, java_version
from .metadata import cluster_served
from .ports import HOST, free_port, is_free

USUAL_PORT = 9092
_READY_S = 60.0
_POLL_S = 0.05
_FORMAT_TIMEOUT_S = 60
_START_TRIES = 3

META = Path("data") / "meta.properties"
"""In a broker's folder: written last, it makes the data complete."""

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={folder}/data

auto.create.topics.enable=false
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# the first consumer of a group need not wait for others
group.initial.rebalance.delay.ms=0
# after a kill -9 the former self must expire before the broker serves again
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
# nobody follows this quorum: no record twice a second that says nothing
metadata.max.idle.interval.ms=0

log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=2
"""


@dataclass(eq=False)
class Broker:
    """One broker with its data in a folder; it keeps its ports and data over `stop`, `kill` and `start`."""

    folder: Path
    port: int
    controller_port: int
    cluster_id: str
    java: list[str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def kafka(self) -> KafkaAccess:
        """The way to it for our clients."""
        return KafkaAccess(self.bootstrap_servers)

    @property
    def command(self) -> list[str]:
        """The program and its arguments."""
        return [*self.java, "kafka.Kafka", str(self.folder / "server.properties")]

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    def start(self, *, within_s: float = _READY_S) -> None:
        """Start the broker and wait until it serves.

        Raises: DevnetError with the end of its log if it ends or stays silent.
        """
        process = self.process = processes.spawn(self.command, folder=self.folder, log=self.log)
        try:
            self.await_served(lambda: process.poll() is None, within_s=within_s)
        except DevnetError:
            self.kill()
            raise

    def await_served(self, is_running: Callable[[], bool], *, within_s: float) -> None:
        """Wait until the broker serves its own cluster: another one may hold the port.

        Raises: DevnetError with the end of its log if it ends or stays silent.
        """
        deadline_s = time.monotonic() + within_s
        while cluster_served(HOST, self.port) != self.cluster_id:
            if not is_running():
                raise DevnetError(f"the broker ended while starting:\n{processes.last_lines(self.log)}")
            if time.monotonic() > deadline_s:
                raise DevnetError(
                    f"the broker did not serve within {within_s} s:\n{processes.last_lines(self.log)}"
                )
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End the broker in order."""
        if self.process is not None:
            processes.stop(self.process)

    def kill(self) -> None:
        """End the broker as kill -9 does."""
        if self.process is not None:
            processes.kill(self.process)

    def pause(self) -> None:
        """Freeze the broker: it keeps its connections and answers nothing."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()


def start_broker(folder: Path, *, cache: Path = DEFAULT_CACHE, usual_port: int | None = None) -> Broker:
    """Start a broker with its data in `folder`, going on with what lies there.

    Raises: DevnetError if Java, Maven or the broker fails.
    """
    for attempt in range(_START_TRIES):
        usual = usual_port if attempt == 0 else None
        port, controller_port = free_port(usual), free_port(None if usual is None else usual + 1)
        broker = prepare_broker(folder, cache=cache, port=port, controller_port=controller_port)
        try:
            broker.start()
        except DevnetError:
            if attempt == _START_TRIES - 1 or (is_free(broker.port) and is_free(broker.controller_port)):
                raise
        else:
            return broker
    raise AssertionError


def prepare_broker(folder: Path, *, cache: Path, port: int, controller_port: int) -> Broker:
    """Make all that a broker needs to start: its configuration, and a data folder unless there is one.

    Raises: DevnetError if Java or Maven fails.
    """
    folder_of_jars = jars(cache)
    formatted = _formatted(folder_of_jars)
    archive = made_once(_archive_path(folder_of_jars), lambda path: _archive_classes(folder_of_jars, path))
    java = java_command(folder_of_jars, f"-XX:SharedArchiveFile={archive}")
    return _prepare(folder, java, formatted, port, controller_port)


def _prepare(folder: Path, java: list[str], formatted: Path, port: int, controller_port: int) -> Broker:
    """Write the configuration, and a data folder of a cluster of its own unless there is one."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    properties = _PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, folder=folder)
    (folder / "server.properties").write_text(properties)
    if not (folder / META).exists():
        _copy_formatted(formatted, folder)
    cluster_id = _cluster_id((folder / META).read_text())
    return Broker(folder=folder, port=port, controller_port=controller_port, cluster_id=cluster_id, java=java)


def _formatted(folder_of_jars: Path) -> Path:
    """Return a folder with formatted data that no broker has used: Java takes a second to format, a copy takes nothing."""
    digest = hashlib.sha256(_PROPERTIES.encode()).hexdigest()[:12]
    java = java_command(folder_of_jars)
    return made_once(folder_of_jars.parent / f"formatted-{digest}", lambda path: _format(java, path))


def _format(java: list[str], folder: Path) -> None:
    folder.mkdir()
    properties = folder / "server.properties"
    properties.write_text(_PROPERTIES.format(host=HOST, port=1, controller_port=2, folder=folder))
    command = [*java, "kafka.tools.StorageTool", "format", "-t", _new_cluster_id(), "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise DevnetError(f"cannot format the data of {properties}:\n{(done.stdout + done.stderr)[-2_000:]}")


def _copy_formatted(formatted: Path, folder: Path) -> None:
    """Make a data folder of a cluster of its own; what names the cluster is written last, and makes it complete."""
    meta = (formatted / META).read_text()
    shutil.copytree(
        formatted / "data", folder / "data", ignore=shutil.ignore_patterns(META.name), dirs_exist_ok=True
    )
    (folder / META).write_text(meta.replace(_cluster_id(meta), _new_cluster_id()))


def _cluster_id(meta: str) -> str:
    pairs = (line.partition("=") for line in meta.splitlines())
    return next(value for key, _, value in pairs if key == "cluster.id")


def _new_cluster_id() -> str:
    # no leading dash: it would be an option
    return "e" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]


def _archive_path(folder_of_jars: Path) -> Path:
    digest = hashlib.sha256(java_version().encode()).hexdigest()[:12]
    return folder_of_jars.parent / f"classes-{digest}.jsa"


def _archive_classes(folder_of_jars: Path, archive: Path) -> None:
    """Run a broker once so that Java writes down the classes it loaded."""
    folder = archive.parent / "warm-up"
    java = java_command(folder_of_jars, f"-XX:ArchiveClassesAtExit={archive}")
    formatted = _formatted(folder_of_jars)
    with _prepare(folder, java, formatted, free_port(), free_port()) as broker:
        broker.start()
    if not archive.exists():
        raise DevnetError(f"java wrote no class-data archive:\n{processes.last_lines(broker.log)}")
    shutil.rmtree(folder)
