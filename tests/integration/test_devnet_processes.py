"""The devnet's processes are identified by more than their number, and only free ports are used."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from freezing import freeze

from streams.devnet import processes
from streams.devnet.ports import HOST, free_port, is_free
from streams.devnet.processes import ProcessRecord, end_all, is_running, last_lines, record_of, spawn, stop


def sleeper(folder: Path) -> subprocess.Popen[bytes]:
    return spawn(["sleep", "600"], folder=folder, log=folder / "log")


def test_a_record_is_of_one_process_only(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    record = record_of(process.pid)
    assert is_running(record)
    assert not is_running(ProcessRecord(pid=process.pid, started=record.started + "1"))
    stop(process)
    assert not is_running(record)
    assert not is_running(record_of(process.pid)), "no process, no record"


def test_end_stops_only_the_recorded_one(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    assert end_all({"it": ProcessRecord(pid=process.pid, started="1")}) == {}
    assert process.poll() is None
    assert end_all({"it": record_of(process.pid)}) == {"it": True}
    process.wait(60)


def test_end_kills_one_that_hangs(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    freeze(process.pid)
    assert end_all({"it": record_of(process.pid)}, within_s=0.2) == {"it": False}
    assert process.wait(60) == -signal.SIGKILL


def test_one_that_will_not_hear_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    process = spawn([sys.executable, "-c", deaf], folder=tmp_path, log=tmp_path / "log")
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)
    stop(process, within_s=0.2)
    assert process.returncode == -9


def test_its_output_is_kept(tmp_path: Path) -> None:
    process = spawn(
        ["sh", "-c", "echo out; echo $NAME >&2"], folder=tmp_path, log=tmp_path / "log", env={"NAME": "err"}
    )
    process.wait(60)
    assert last_lines(tmp_path / "log") == "out\nerr"
    assert last_lines(tmp_path / "log", 1) == "err"
    assert last_lines(tmp_path / "none") == "(no log)"


def test_it_keeps_its_number_and_leads_a_session_of_its_own(tmp_path: Path) -> None:
    process = spawn(["sh", "-c", "echo $$; sleep 600"], folder=tmp_path, log=tmp_path / "log")
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)
    assert int((tmp_path / "log").read_text()) == process.pid
    assert os.getsid(process.pid) == process.pid
    stop(process)


def test_an_orphan_never_becomes_the_program(tmp_path: Path) -> None:
    tied = Path(processes.__file__).with_name("tied_process.py")
    done = subprocess.run([sys.executable, str(tied), "1", "touch", str(tmp_path / "made")], check=False)
    assert done.returncode == 1
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("listening", [True, False])
def test_the_usual_port_is_taken_where_it_is_free(listening: bool) -> None:
    usual = free_port()
    with socket.socket() as other:
        if listening:
            other.bind((HOST, usual))
            other.listen()
        assert is_free(usual) != listening
        assert (free_port(usual) == usual) != listening
