"""`evenkeel broker`: a broker that outlives its command, keeps its data, and names whatever prevents its start."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import Run
from plain_topics import create_topic, read, write_in_a_transaction
from users import User

from streams.devnet import kept_broker
from streams.devnet.broker import Broker
from streams.devnet.kept_broker import BrokerRecord
from streams.devnet.ports import free_port
from streams.settings import load_settings

FOLDER = Path(".evenkeel") / "broker"


@pytest.fixture
def folder(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder; a broker that still runs in it is ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_CACHE", str(cache))
    yield tmp_path
    kept_broker.down(tmp_path / FOLDER)


def record(folder: Path, **fields: object) -> None:
    (folder / FOLDER).mkdir(parents=True)
    said = {"bootstrap_servers": "127.0.0.1:9", "controller_port": 10, "kafka": "4.1.1", **fields}
    (folder / FOLDER / "broker.json").write_text(json.dumps(said))


def at(port: int) -> str:
    return f"127.0.0.1:{port}"


@pytest.mark.kafka
async def test_its_data_outlive_the_command_the_broker_and_its_port(
    folder: Path, evenkeel: Run, cache: Path
) -> None:
    first, second = free_port(), free_port()
    user = User(folder, cache)
    started = user.run("broker", "up", "--port", str(first))
    assert started.returncode == 0, started.stderr
    assert f"127.0.0.1:{first} serves" in started.stderr
    assert load_settings().broker == at(first)
    await create_topic(at(first), "kept")
    await write_in_a_transaction(at(first), "kept", b"before")

    again = evenkeel("broker", "up")
    assert (again.code, "starting" in again.err) == (0, False)
    assert f"127.0.0.1:{first} serves" in again.err
    elsewhere = evenkeel("broker", "up", "--port", str(second))
    assert (elsewhere.code, f"runs on port {first}" in elsewhere.err) == (1, True)
    shown = evenkeel("broker", "status", width=400)
    assert (shown.code, "runs" in shown.out, str(folder / FOLDER / "data") in shown.out) == (0, True, True)

    assert evenkeel("broker", "down").err == "the broker has ended; its data stay\n"
    (told,) = evenkeel("broker", "status", "--json").objects
    assert (told["state"], told["answers"], told["pid"]) == ("DOWN", False, "-")
    assert evenkeel("broker", "status").code == 1
    assert evenkeel("broker", "down").err == "no broker runs in .evenkeel\n"

    assert evenkeel("broker", "up", "--port", str(second)).code == 0
    assert load_settings().broker == at(second)
    await write_in_a_transaction(at(second), "kept", b"after")
    assert await read(at(second), "kept", 2) == [b"before", b"after"]


def test_without_a_broker_there_is_none_to_see_or_end(folder: Path, evenkeel: Run) -> None:
    assert evenkeel("broker", "status").err == "no broker in .evenkeel: evenkeel broker up\n"
    assert evenkeel("broker", "down").err == "no broker runs in .evenkeel\n"
    assert not (folder / FOLDER).exists()


def test_a_port_that_something_else_holds_is_refused(folder: Path, evenkeel: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = evenkeel("broker", "up", "--port", str(port))
    assert (refused.code, refused.err) == (
        1,
        f"error: port {port} of 127.0.0.1 is taken: name another by --port\n",
    )
    assert kept_broker.load(folder / FOLDER) is None


@pytest.mark.kafka
def test_a_port_that_another_kafka_holds_is_named_as_one_to_use(
    folder: Path, evenkeel: Run, broker: Broker
) -> None:
    refused = evenkeel("broker", "up", "--port", str(broker.port))
    assert refused.code == 1
    assert f"EVENKEEL_BROKER={broker.bootstrap_servers}" in refused.err


def test_data_of_a_newer_kafka_are_left_alone(folder: Path, evenkeel: Run) -> None:
    record(folder, kafka="4.10.0")
    refused = evenkeel("broker", "up")
    assert refused.code == 1
    assert "was last used by Kafka 4.10.0, and this is 4.1.1" in refused.err
    kept = kept_broker.load(folder / FOLDER)
    assert kept is not None
    assert kept.kafka == "4.10.0"


def test_data_that_nobody_recorded_are_left_alone(folder: Path, evenkeel: Run) -> None:
    (folder / FOLDER / "data").mkdir(parents=True)
    refused = evenkeel("broker", "up")
    assert (refused.code, "is not from `evenkeel broker up`" in refused.err) == (1, True)


def test_a_record_that_makes_no_sense_is_named(folder: Path, evenkeel: Run) -> None:
    record(folder, bootstrap_servers=7)
    refused = evenkeel("broker", "status")
    assert refused.code == 1
    assert "broker.json" in refused.err
    assert "bootstrap_servers" in refused.err
    (folder / FOLDER / "broker.json").unlink()


def test_a_devnet_and_a_kept_broker_do_not_share_a_folder(folder: Path, evenkeel: Run) -> None:
    record(folder)
    refused = evenkeel("devnet", "up")
    assert (refused.code, "has the broker of a real chain" in refused.err) == (1, True)


def test_a_process_that_took_the_number_is_not_ended(folder: Path, evenkeel: Run) -> None:
    """After a restart of the machine the recorded number may be anybody's."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        record(folder, process={"pid": stranger.pid, "started": "1"})
        assert evenkeel("broker", "down").err == "no broker runs in .evenkeel\n"
        assert stranger.poll() is None
        stranger.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("port", [9092, 65_535])
def test_the_controllers_port_is_another_one(port: int) -> None:
    made = kept_broker._new_record(port, None)
    assert made.controller_port != port
    assert 0 < made.controller_port < 65_536
    former = BrokerRecord(bootstrap_servers="127.0.0.1:9", controller_port=port, kafka="4.1.1")
    assert kept_broker._new_record(port, former).controller_port != port
