"""The devnet's broker serves, restarts with its data, and never outlives its parent process."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plain_topics import create_topic, read, write_in_a_transaction

from pipeline.errors import DevnetError
from streams.devnet import processes
from streams.devnet.broker import Broker, start_broker
from streams.devnet.metadata import cluster_served
from streams.devnet.ports import HOST, free_port
from streams.devnet.ports import is_free as socket_is_free

pytestmark = pytest.mark.kafka

_ROOT = Path(__file__).parents[2]


async def test_it_takes_transactions(broker: Broker) -> None:
    await create_topic(broker.bootstrap_servers, "takes-transactions")
    await write_in_a_transaction(broker.bootstrap_servers, "takes-transactions", b"one")
    assert await read(broker.bootstrap_servers, "takes-transactions", 1) == [b"one"]


async def test_its_data_and_port_outlive_a_kill(own_broker: Broker) -> None:
    before = own_broker.bootstrap_servers
    await create_topic(own_broker.bootstrap_servers, "kept")
    await write_in_a_transaction(own_broker.bootstrap_servers, "kept", b"before")
    own_broker.kill()
    assert cluster_served(HOST, own_broker.port) is None
    own_broker.start()  # within its own bound: its former self must expire first
    await write_in_a_transaction(own_broker.bootstrap_servers, "kept", b"after")
    assert await read(own_broker.bootstrap_servers, "kept", 2) == [b"before", b"after"]
    assert own_broker.bootstrap_servers == before


_START_AND_WAIT = """
import sys, time
from pathlib import Path
from streams.devnet.broker import start_broker
print(start_broker(Path(sys.argv[1]), cache=Path(sys.argv[2])).process.pid, flush=True)
time.sleep(600)
"""


def test_it_ends_with_a_killed_parent(tmp_path: Path, cache: Path, broker: Broker) -> None:
    command = [sys.executable, "-c", _START_AND_WAIT, str(tmp_path), str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as parent:
        assert parent.stdout is not None
        record = processes.record_of(int(parent.stdout.readline()))
        assert processes.is_running(record)
        parent.kill()
    deadline_s = time.monotonic() + 60
    while processes.is_running(record) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not processes.is_running(record)


async def test_it_starts_only_from_the_main_thread(tmp_path: Path) -> None:
    stray = Broker(
        folder=tmp_path, port=free_port(), controller_port=free_port(), cluster_id="", java=["java"]
    )
    with pytest.raises(DevnetError, match="main thread"):
        await asyncio.to_thread(stray.start)


def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    stray = Broker(
        folder=tmp_path,
        port=free_port(),
        controller_port=free_port(),
        cluster_id="",
        java=["java", "-cp", "/nowhere"],
    )
    with pytest.raises(DevnetError, match=r"(?s)ended while starting.*kafka\.Kafka"):
        stray.start()


def test_a_port_that_another_broker_holds_is_not_taken_for_ones_own(
    broker: Broker, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streams.devnet.ports.is_free", lambda port: port == broker.port or socket_is_free(port)
    )
    with start_broker(tmp_path, cache=cache, usual_port=broker.port) as other:
        assert other.port != broker.port
        assert cluster_served(HOST, other.port) == other.cluster_id != broker.cluster_id
