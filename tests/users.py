"""A user who runs commands in a folder of their own, with the processes that they start."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import forked

PROGRAM = [sys.executable, "-m", "streams.cli"]


class User:
    """Runs commands in a folder of their own, and keeps track of started processes."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
        root = str(Path(__file__).parents[1])
        self.env = {**clean, "EVENKEEL_CACHE": str(cache), "PYTHONPATH": root, "COLUMNS": "200"}
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run([*PROGRAM, *arguments], cwd=self.folder, env=self.env)

    def start(self, *arguments: str, log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("wb") as output:
            process = forked.Forked(
                [*PROGRAM, *arguments], cwd=self.folder, env=self.env, stdout=output, stderr=subprocess.STDOUT
            )
        self.started.append(process)
        return process

    def read(self, log: str) -> str:
        return (self.folder / log).read_text()

    def leave(self) -> None:
        """End the processes that still run."""
        for process in reversed(self.started):
            if process.poll() is None:
                process.kill()
                process.wait()

    def until(self, holds: Callable[[], bool], what: str, within_s: float = 240.0) -> None:
        deadline_s = time.monotonic() + within_s
        while not holds():
            ended = [process.args for process in self.started if process.poll() is not None]
            logs = {path.name: path.read_text()[-3_000:] for path in self.folder.glob("*.log")}
            assert not ended, f"ended while waiting for {what}: {ended}\n{logs}"
            assert time.monotonic() < deadline_s, f"no {what} in {within_s} s\n{logs}"
            time.sleep(0.2)


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


def are_gone(pids: set[int], within_s: float = 20.0) -> bool:
    """Wait until none of the processes exists."""
    deadline_s = time.monotonic() + within_s
    while any(_lives(pid) for pid in pids):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def _lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_of(pid: int) -> list[str]:
    return (Path("/proc") / str(pid) / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
