"""Python programs as processes of their own, forked from one that has imported the project's modules, to save their start.

They are real processes: with their own pid, memory, files and session, they can be killed and frozen, and end with us.
What only a start from nothing shows (a missing import, the command's own entry) is for tests that use `subprocess`.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

_FORKING = Path(__file__).with_name("forking.py")
_START_S = 120.0
_MOST_BYTES = 1 << 20


class Forked(subprocess.Popen[bytes]):
    """A forked process with the methods of any other; the forking process waits for it and reports its end."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: IO[bytes] | IO[str] | int | None = None,
        stderr: IO[bytes] | IO[str] | int | None = None,
        has_session: bool = False,
    ) -> None:
        self._child_created = False  # nothing of the base class owns it
        self.args = argv
        self.stdin = self.stdout = self.stderr = None
        self.returncode = None
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        out, err = _number(stdout, 1), _number(stderr, 2)
        order = {
            "argv": _words(argv),
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "has_session": has_session,
        }
        with theirs:
            fds = [out, out if err == subprocess.STDOUT else err, theirs.fileno()]
            socket.send_fds(_forking(os.getpid()).orders, [json.dumps(order).encode()], fds)
        self._answers.settimeout(_START_S)
        self.pid = self._told()

    def poll(self) -> int | None:
        return self._end(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._end(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def _end(self, within_s: float | None) -> int | None:
        if self.returncode is None:
            self._answers.settimeout(within_s)
            try:
                self.returncode = self._told()
            except (TimeoutError, BlockingIOError):
                return None
            self._answers.close()
        return self.returncode

    def _told(self) -> int:
        said = self._answers.recv(64)
        assert said, "the forking process has ended"
        return int(said)


def spawn(argv: Sequence[str], *, folder: Path, log: Path, env: Mapping[str, str]) -> Forked:
    """Start a Python program as `streams.devnet.processes.spawn` does: in a session of its own, with its output in a file."""
    with log.open("ab") as output:
        return Forked(
            argv,
            cwd=folder,
            env={**os.environ, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
            has_session=True,
        )


def run(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, within_s: float = 180.0
) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end, and return its output.

    Raises: subprocess.TimeoutExpired once it was killed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Forked(argv, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(within_s)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        texts = []
        for each in (out, err):
            each.seek(0)
            texts.append(each.read().decode())
    return subprocess.CompletedProcess(list(argv), code, *texts)


def _words(argv: Sequence[str]) -> list[str]:
    """Parse a Python command line: `-m` and a module, `-c` and a program, or a file, with arguments."""
    assert argv[0] == sys.executable, argv
    words = [word for word in argv[1:] if word != "-P"]
    assert words[0] in {"-m", "-c"} or words[0].endswith(".py"), argv
    return list(words)


def _number(stream: IO[bytes] | IO[str] | int | None, usual: int) -> int:
    if stream is None:
        return usual
    number = stream if isinstance(stream, int) else stream.fileno()
    assert number >= 0 or number == subprocess.STDOUT, "no pipe is made here: name a file"
    return number


class _Forking:
    """The forking process, and the connection to it."""

    def __init__(self) -> None:
        assert threading.current_thread() is threading.main_thread(), (
            "it would end with the thread that starts it"
        )
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
        path = os.pathsep.join(filter(None, sys.path))
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, str(_FORKING), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "OPENBLAS_NUM_THREADS": "1",
                },  # a fork copies no threads
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.end)

    def end(self) -> None:
        self.orders.close()
        self.process.wait()


@cache
def _forking(pid: int) -> _Forking:
    """Return this process's forking process, which is started once per process."""
    del pid
    return _Forking()
