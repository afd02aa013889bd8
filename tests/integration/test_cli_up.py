"""The way of a new user, on real parts: devnet up, init, apply, up, look, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(240)]

PROGRAM = [sys.executable, "-m", "streams.cli"]


class User:
    """Runs commands in a folder of their own, and remembers what was started."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
        root = str(Path(__file__).parents[2])
        self.env = {**clean, "EVENKEEL_CACHE": str(cache), "PYTHONPATH": root, "COLUMNS": "200"}
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, *arguments: str, log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(
                [*PROGRAM, *arguments], cwd=self.folder, env=self.env, stdout=output, stderr=subprocess.STDOUT
            )
        self.started.append(process)
        return process

    def read(self, log: str) -> str:
        return (self.folder / log).read_text()

    def until(self, holds: Callable[[], bool], what: str, within_s: float = 90.0) -> None:
        deadline_s = time.monotonic() + within_s
        while not holds():
            ended = [process.args for process in self.started if process.poll() is not None]
            logs = {path.name: path.read_text()[-3_000:] for path in self.folder.glob("*.log")}
            assert not ended, f"ended while waiting for {what}: {ended}\n{logs}"
            assert time.monotonic() < deadline_s, f"no {what} in {within_s} s\n{logs}"
            time.sleep(0.2)


@pytest.fixture
def user(tmp_path, cache) -> Iterator[User]:
    made = User(tmp_path, cache)
    yield made
    for process in reversed(made.started):
        if process.poll() is None:
            process.kill()
            process.wait()


def children_of(pid: int) -> set[int]:
    """List the living descendants of a process."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            child = int(stat.parent.name)
            found |= {child} | children_of(child)
    return found


def command_of(pid: int) -> list[str]:
    return (Path("/proc") / str(pid) / "cmdline").read_bytes().decode().rstrip("\0").split("\0")


def positions(user: User) -> list[dict]:
    return [json.loads(line) for line in user.run("positions", "--json").stdout.splitlines()]


def test_from_nothing_to_a_proposal_and_its_reason(user):
    devnet = user.start("devnet", "up", "--block-time", "0.5", log="devnet.log")
    user.until(lambda: "next, elsewhere" in user.read("devnet.log"), "devnet")
    assert user.run("devnet", "status").returncode == 0
    assert user.run("init").returncode == 0
    up = user.start("up", "portfolio.yaml", log="up.log")
    user.until(lambda: len(positions(user)) == 2, "positions")

    doctor = user.run("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "in force: usdc-high, usdc-low" in doctor.stdout
    assert "as it is" in user.run("apply").stdout

    user.until(lambda: decisions(user) != [], "decision")
    walked = [
        json.loads(line) for line in user.run("why", decisions(user)[0]["id"], "--json").stdout.splitlines()
    ]
    assert [station["station"] for station in walked] == ["output", "cause", "policy"]
    assert walked[0]["value"]["policy_version"] == walked[2]["value"]["policy"]["policy_version"]
    assert walked[0]["value"]["because_of"]["offset"] == walked[1]["offset"]

    opened = user.read("up.log").count("opened at")
    (worker,) = (pid for pid in children_of(up.pid) if command_of(pid)[-1:] == ["work"])
    os.kill(worker, signal.SIGKILL)
    user.until(lambda: "killed by SIGKILL" in user.read("up.log"), "word of the death")
    user.until(lambda: user.read("up.log").count("opened at") >= opened + 2, "shards opened again")

    for process in (up, devnet):
        kept = children_of(process.pid)
        assert kept
        asked_s = time.monotonic()
        process.terminate()
        assert process.wait(timeout=20) == 0, user.read("up.log")[-2_000:]
        assert time.monotonic() - asked_s < 10
        assert not any((Path("/proc") / str(pid)).exists() for pid in kept)
    assert user.run("devnet", "status").returncode == 1


def decisions(user: User) -> list[dict]:
    """List what was decided, the oldest first."""
    shown = user.run("topics", "tail", "decisions", "--no-follow", "--from-beginning", "--json")
    values = [json.loads(line)["value"] for line in shown.stdout.splitlines()]
    return [value for value in values if value["type"] in {"RebalanceProposed", "Declined"}]
