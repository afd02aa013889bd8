"""Run a broker for a real chain: it outlives the command that started it, and its data are kept."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from pipeline.errors import DevnetError
from streams.run_folder import BROKER_FILE

from . import processes
from .broker import META, USUAL_PORT, prepare_broker
from .jars import kafka_version
from .metadata import cluster_served
from .ports import HOST, free_port, is_free
from .processes import ProcessRecord, is_running
from .records import read_record, write_record
from .setup import Say, prepare_kafka

_LOCK = "broker.lock"
_READY_S = 300.0
"""After a power cut all of its logs are read once."""
_END_S = 60.0
_BLOCK = 512
"""Units: bytes, of `stat`'s count of blocks."""


class BrokerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `broker.json` says of a kept broker; it stays there while the broker is down."""

    bootstrap_servers: str
    controller_port: int
    kafka: str
    """The version that used its data last."""
    process: ProcessRecord | None = None

    @property
    def port(self) -> int:
        return int(self.bootstrap_servers.rpartition(":")[2])

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and is_running(self.process)


class BrokerNow(msgspec.Struct, frozen=True, kw_only=True):
    """How a kept broker is, for `status`."""

    bootstrap_servers: str
    is_running: bool
    answers: bool
    pid: int | None
    kafka: str
    data: str
    """The folder of its data."""
    data_bytes: int
    """What they take on the disk."""

    @property
    def state(self) -> str:
        """Describe how it is in a word."""
        return "DOWN" if not self.is_running else "runs" if self.answers else "HANGS"


def up(folder: Path, *, port: int | None, cache: Path, say: Say) -> BrokerNow:
    """Start the broker of a folder and wait until it serves; where it runs already, leave it as it is.

    The first start takes `port`, or Kafka's usual one; later ones keep it unless they name another.

    Raises: DevnetError where a port is taken, its data are not ours or a newer Kafka's, or it does not start.
    """
    folder = folder.resolve()
    with _alone(folder):
        record = load(folder)
        if record is not None and record.runs:
            return _already_up(folder, record, port)
        _refuse_data(folder, record)
        wanted = port or (USUAL_PORT if record is None else record.port)
        _refuse_port(wanted)
        prepare_kafka(cache=cache, say=say)
        write_record(folder / BROKER_FILE, _new_record(wanted, record))
        say(f"starting Kafka {kafka_version()} on {HOST}:{wanted}, its data in {folder / META.parent}")
        _start(folder, cache)
        return _now(folder, _required(folder))


def down(folder: Path) -> bool | None:
    """End the broker of a folder in order; its data stay. Returns whether it ended by itself, None where none runs.

    Raises: DevnetError if it does not end at all.
    """
    record = load(folder.resolve())
    if record is None or record.process is None or not record.runs:
        return None
    return processes.end_all({"broker": record.process}, within_s=_END_S)["broker"]


def status(folder: Path) -> BrokerNow | None:
    """Return how the broker of a folder is; None where there was never one."""
    record = load(folder.resolve())
    return None if record is None else _now(folder.resolve(), record)


def load(folder: Path) -> BrokerRecord | None:
    """Read what is recorded of a folder's broker. Raises: DevnetError if the file says something else."""
    return read_record(folder / BROKER_FILE, BrokerRecord)


def _required(folder: Path) -> BrokerRecord:
    record = load(folder)
    if record is None:
        raise DevnetError(f"{folder / BROKER_FILE} is gone")
    return record


# ------------------------------------------------------------------ what is refused
def _already_up(folder: Path, record: BrokerRecord, port: int | None) -> BrokerNow:
    found = _now(folder, record)
    if not found.answers:
        raise DevnetError(
            f"the broker of {folder} runs (process {found.pid}) and does not answer: `evenkeel broker down`, then `up`"
        )
    if port not in {None, record.port}:
        raise DevnetError(
            f"the broker of {folder} runs on port {record.port}: `evenkeel broker down` before it gets another one"
        )
    return found


def _refuse_data(folder: Path, record: BrokerRecord | None) -> None:
    data = folder / META.parent
    if record is None and data.exists():
        raise DevnetError(
            f"{data} is not from `evenkeel broker up`, or {BROKER_FILE} beside it is gone: name another folder by EVENKEEL_FOLDER"
        )
    ours = kafka_version()
    if record is not None and _parts(record.kafka) > _parts(ours):
        raise DevnetError(
            f"{data} was last used by Kafka {record.kafka}, and this is {ours}: an older one may not understand it. "
            "Go on with the release that made it, or name another folder by EVENKEEL_FOLDER"
        )


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _refuse_port(port: int) -> None:
    if is_free(port):
        return
    if cluster_served(HOST, port) is not None:
        raise DevnetError(
            f"port {port} is taken by another Kafka: use that one by EVENKEEL_BROKER={HOST}:{port}, "
            "or start this one on another by --port"
        )
    raise DevnetError(f"port {port} of {HOST} is taken: name another by --port")


# ------------------------------------------------------------------ the process
def _new_record(port: int, former: BrokerRecord | None) -> BrokerRecord:
    own = former.controller_port if former is not None else port + 1
    controller_port = own if own != port and own < 2**16 and is_free(own) else free_port()
    return BrokerRecord(
        bootstrap_servers=f"{HOST}:{port}", controller_port=controller_port, kafka=kafka_version()
    )


def _start(folder: Path, cache: Path) -> None:
    record = _required(folder)
    broker = prepare_broker(folder, cache=cache, port=record.port, controller_port=record.controller_port)
    process = processes.spawn_lasting(broker.command, log=broker.log)
    try:
        write_record(folder / BROKER_FILE, msgspec.structs.replace(record, process=process))
        broker.await_served(lambda: is_running(process), within_s=_READY_S)
    except BaseException:
        processes.end_all({"broker": process}, within_s=_END_S)
        raise


def _now(folder: Path, record: BrokerRecord) -> BrokerNow:
    return BrokerNow(
        bootstrap_servers=record.bootstrap_servers,
        is_running=record.runs,
        answers=record.runs and cluster_served(HOST, record.port) is not None,
        pid=None if record.process is None else record.process.pid,
        kafka=record.kafka,
        data=str(folder / META.parent),
        data_bytes=_bytes_in(folder / META.parent),
    )


def _bytes_in(folder: Path) -> int:
    """Add up what a folder takes on the disk; a running broker may remove files meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * _BLOCK
    return total


# ------------------------------------------------------------------ its record
@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let a second command that starts the same broker wait for the first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
