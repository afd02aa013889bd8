"""Start processes that end with their parent, and recognise a recorded one by more than its id."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from pipeline.errors import DevnetError

_TIED = Path(__file__).with_name("tied_process.py")
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


def spawn_lasting(argv: Sequence[str], *, log: Path) -> ProcessRecord:
    """Start a program that goes on when this process ends, in a session of its own, its output in a file.

    Raises: DevnetError if there is no such program.
    """
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    actions = [no_input, output, (os.POSIX_SPAWN_DUP2, 1, 2)]
    try:
        pid = os.posix_spawnp(argv[0], list(argv), os.environ, file_actions=actions, setsid=True)
    except OSError as error:
        raise DevnetError(f"cannot start {argv[0]}: {error.strerror}") from None
    return record_of(pid)


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


def end_all(records: Mapping[str, ProcessRecord], *, within_s: float = 15.0) -> dict[str, bool]:
    """End recorded processes of ours that may have been started by another, all at once.

    Returns those that ran, by name, and of each whether it ended by itself: who has not within the time is killed.

    Raises: DevnetError for one that outlives even that.
    """
    running = {name: record for name, record in records.items() if is_running(record)}
    for record in running.values():
        _signal(record, signal.SIGTERM)
    hung = _await_end(running, within_s)
    for record in hung.values():
        _signal(record, signal.SIGKILL)
    for record in _await_end(hung, within_s).values():
        raise DevnetError(f"process {record.pid} does not end")
    return {name: name not in hung for name in running}


def _signal(record: ProcessRecord, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(record.pid, number)


def _await_end(records: Mapping[str, ProcessRecord], within_s: float) -> dict[str, ProcessRecord]:
    """Wait until all have ended, and return those that have not in time."""
    deadline_s = time.monotonic() + within_s
    left = dict(records)
    while left and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        left = {name: record for name, record in left.items() if is_running(record)}
    return left


def last_lines(log: Path, count: int = 15) -> str:
    """Return the end of a log, for an error's text."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) or "(empty log)"


def is_stopped(record: ProcessRecord) -> bool:
    """Whether it was stopped by a signal and does nothing, as far as /proc tells."""
    fields = _stat(record.pid)
    return bool(fields) and fields[0] in {"T", "t"} and is_running(record)


def _stat(pid: int) -> list[str]:
    """Return what /proc says of a process after its name: first its state; nothing if there is none."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    """Return when a process started, or nothing if there is none: `ps` where there is no /proc."""
    if _PROC.exists():
        fields = _stat(pid)
        return "" if not fields or fields[0] == "Z" else fields[19]
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
