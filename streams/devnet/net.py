"""The devnet as a whole: start, inspect and stop its broker, chain and world in one folder."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from pipeline.errors import DevnetError
from streams.kafka.access import KafkaAccess
from streams.node.blocking_rpc import BlockingRpc
from streams.run_folder import DEVNET_FILE

from . import broker as brokers
from . import chain as chains
from . import processes
from .broker import Broker, start_broker
from .cache import DEFAULT_CACHE
from .chain import Chain, DevnetBlock, start_chain
from .deploy import build_world
from .flow import FlowSettings, OrderFlow
from .metadata import cluster_served
from .ports import HOST
from .processes import ProcessRecord, is_running, is_stopped, record_of
from .records import read_record, write_record
from .setup import Say, prepare
from .world import World

DEFAULT_FOLDER = Path(".evenkeel") / "devnet"
_END_S = 2.5
"""How long broker and chain may take to end by themselves before they are killed."""
_LEAVE_S = 3.5
"""And the keeper to notice that they have ended."""
_GONE_S = 3.0
"""How long a part that no longer answers may take to end."""
_ANSWER_S = 2.0
_POLL_S = 0.05


class DevnetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `devnet.json` says: where everything is, and which processes are ours."""

    bootstrap_servers: str
    rpc_url: str
    broker: ProcessRecord
    chain: ProcessRecord
    keeper: ProcessRecord  # the process that brought it up
    world: World


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a devnet, for `status`."""

    name: str
    pid: int
    is_running: bool
    answers: bool
    """It serves, or, as the keeper, is not stopped: a part that runs and does not answer hangs."""
    where: str
    note: str

    @property
    def state(self) -> str:
        """Describe how it is in a word."""
        return "ENDED" if not self.is_running else "runs" if self.answers else "HANGS"


class Down(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a devnet's parts that still ran when it was told to end."""

    ended: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()
    """Those that did not end by themselves."""
    remaining: tuple[ProcessRecord, ...] = ()
    """The keeper where it has not noticed: it is not ended itself."""


@dataclass(eq=False)
class Devnet:
    """A devnet that this process keeps: it ends with the process, and on leaving a `with`."""

    folder: Path
    broker: Broker
    chain: Chain
    world: World
    flow: OrderFlow = field(repr=False)

    @property
    def bootstrap_servers(self) -> str:
        return self.broker.bootstrap_servers

    @property
    def kafka(self) -> KafkaAccess:
        return self.broker.kafka

    @property
    def rpc_url(self) -> str:
        return self.chain.url

    @property
    def is_whole(self) -> bool:
        """Whether broker and chain both run."""
        parts = (self.broker.process, self.chain.process)
        return all(process is not None and process.poll() is None for process in parts)

    def record(self) -> None:
        """Write `devnet.json`, again after a restart of a part."""
        if self.broker.process is None or self.chain.process is None:
            raise DevnetError("only a running devnet can be recorded")
        record = DevnetRecord(
            bootstrap_servers=self.bootstrap_servers,
            rpc_url=self.rpc_url,
            broker=record_of(self.broker.process.pid),
            chain=record_of(self.chain.process.pid),
            keeper=record_of(os.getpid()),
            world=self.world,
        )
        write_record(self.folder / DEVNET_FILE, record)

    def stop(self) -> None:
        """End chain and broker; the folder keeps their logs."""
        self.chain.stop()
        self.broker.stop()
        (self.folder / DEVNET_FILE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()


def up(
    folder: Path = DEFAULT_FOLDER,
    *,
    seed: int = 0,
    settings: FlowSettings | None = None,
    cache: Path = DEFAULT_CACHE,
    usual_ports: bool = True,
    say: Say = lambda _: None,
) -> Devnet:
    """Start a new broker and a new chain, with the world on it, in a folder of their own.

    The usual ports are taken where they are free. What an earlier devnet left in the folder is removed.

    Raises: DevnetError if one runs there already, or something cannot be had or started.
    """
    folder = folder.resolve()
    if any(part.is_running for part in status(folder)):
        raise DevnetError(f"a devnet already runs in {folder}: end it first")
    prepare(cache=cache, say=say)
    for part in ("broker", "chain"):
        shutil.rmtree(folder / part, ignore_errors=True)
    with ExitStack() as undo:
        say("starting the broker")
        broker = start_broker(
            folder / "broker", cache=cache, usual_port=brokers.USUAL_PORT if usual_ports else None
        )
        undo.callback(broker.stop)
        say("starting the chain and building its world")
        chain = start_chain(
            folder / "chain", cache=cache, usual_port=chains.USUAL_PORT if usual_ports else None
        )
        undo.callback(chain.stop)
        world = build_world(chain, cache=cache)
        flow = OrderFlow(chain, world, seed, settings)
        devnet = Devnet(folder=folder, broker=broker, chain=chain, world=world, flow=flow)
        devnet.record()
        undo.pop_all()
    return devnet


def keep(
    devnet: Devnet,
    *,
    block_s: float,
    stop: threading.Event,
    on_block: Callable[[DevnetBlock], None] = lambda _: None,
) -> None:
    """Mine a block of order flow every `block_s` seconds until told to stop, or until a part ends.

    Raises: DevnetError if the chain fails while it still runs.
    """
    while devnet.is_whole and not stop.wait(block_s):
        try:
            on_block(devnet.flow.block())
        except DevnetError:
            if not _soon_ended(devnet):
                raise


def _soon_ended(devnet: Devnet) -> bool:
    """Return whether a part ends: one that is told to stops answering a little before its process is gone."""
    deadline_s = time.monotonic() + _GONE_S
    while devnet.is_whole and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return not devnet.is_whole


def load_record(folder: Path = DEFAULT_FOLDER) -> DevnetRecord:
    """Read where a devnet is.

    Raises: DevnetError if none is recorded there, or the file says something else.
    """
    record = read_record(folder / DEVNET_FILE, DevnetRecord)
    if record is None:
        raise DevnetError(f"no devnet is recorded in {folder}")
    return record


def status(folder: Path = DEFAULT_FOLDER) -> tuple[Part, ...]:
    """Return which parts of a devnet run and where; empty if none is recorded."""
    if not (folder / DEVNET_FILE).exists():
        return ()
    record = load_record(folder)
    height = _height(record)
    return (
        _part(
            "broker", record.broker, record.bootstrap_servers, serves="serves" if _serves(record) else None
        ),
        _part("chain", record.chain, record.rpc_url, serves=None if height is None else f"block {height}"),
        _part("keeper", record.keeper, str(folder), serves=None if is_stopped(record.keeper) else ""),
    )


def down(folder: Path = DEFAULT_FOLDER) -> Down | None:
    """End the recorded broker and chain, after proof that the numbers are still theirs; None if none is recorded.

    The process that keeps them is given time to notice, and is not ended itself.
    """
    if not (folder / DEVNET_FILE).exists():
        return None
    record = load_record(folder)
    parts = {"chain": record.chain, "broker": record.broker}
    began_s = time.monotonic()
    how = processes.end_all(parts, within_s=_END_S)
    others = record.keeper.pid != os.getpid()
    while others and is_running(record.keeper) and time.monotonic() < began_s + _LEAVE_S:
        time.sleep(_POLL_S)
    (folder / DEVNET_FILE).unlink(missing_ok=True)
    return Down(
        ended=tuple(how),
        killed=tuple(name for name, by_itself in how.items() if not by_itself),
        remaining=(record.keeper,) if others and is_running(record.keeper) else (),
    )


def _part(name: str, process: ProcessRecord, where: str, *, serves: str | None) -> Part:
    return Part(
        name=name,
        pid=process.pid,
        is_running=is_running(process),
        answers=serves is not None,
        where=where,
        note="does not answer" if serves is None else serves,
    )


def _serves(record: DevnetRecord) -> bool:
    return cluster_served(HOST, int(record.bootstrap_servers.rpartition(":")[2])) is not None


def _height(record: DevnetRecord) -> int | None:
    rpc = BlockingRpc(HOST, int(record.rpc_url.rpartition(":")[2]), timeout_s=_ANSWER_S)
    try:
        return int(rpc("eth_blockNumber"), 16)
    except DevnetError:
        return None
    finally:
        rpc.close()
