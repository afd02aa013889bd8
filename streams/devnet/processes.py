"""Processes that end with us, and proof that a recorded one is still the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pipeline.errors import DevnetError

_TIED = Path(__file__).with_name("tied.py")
_PROC = Path("/proc")
_POLL_S = 0.02


class ProcessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A process as written to a file: the pid alone may belong to someone else later."""

    pid: int
    started: str


def spawn(
    argv: Sequence[str], *, folder: Path, log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that ends when this process does (on Linux even by kill -9), its output in a file.

    It gets a session of its own, so Ctrl-C reaches it through us, in our order.

    Raises: DevnetError outside the main thread: Linux ends it with the thread that started it.
    """
    if threading.current_thread() is not threading.main_thread():
        raise DevnetError(
            f"start {argv[0]} from the main thread: Linux ends it with the thread that started it"
        )
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_TIED), str(os.getpid()), *argv],
            cwd=folder,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], *, within_s: float = 15.0) -> None:
    """Ask a process to end, insist after a while, and collect it."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGCONT)  # a paused one would not hear the next
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as a power cut would, and collect it."""
    process.kill()
    process.wait()


def record_of(pid: int) -> ProcessRecord:
    """Describe a running process for `is_running`."""
    return ProcessRecord(pid=pid, started=_started(pid))


def is_running(record: ProcessRecord) -> bool:
    """Whether that very process still runs, not another one with its number."""
    return record.started != "" and _started(record.pid) == record.started


def end(record: ProcessRecord, *, within_s: float = 15.0) -> bool:
    """End a recorded process of ours that may have been started by another; False if it had ended already."""
    if not is_running(record):
        return False
    for number, patience_s in ((signal.SIGTERM, within_s), (signal.SIGKILL, within_s)):
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return True
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            if not is_running(record):
                return True
            time.sleep(_POLL_S)
    raise DevnetError(f"process {record.pid} does not end")


def last_lines(log: Path, count: int = 15) -> str:
    """Return the end of a log, for an error's text."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) or "(empty log)"


def _started(pid: int) -> str:
    """Return when a process started, or nothing if there is none: `ps` where there is no /proc."""
    if _PROC.exists():
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
