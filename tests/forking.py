"""The process that forks Python programs on request, with the project's modules imported once: `python forking.py FD`.

`tests/forked.py` starts it and says what it asks for. It ends with whoever started it, and its children with it.
"""

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1


def import_ours() -> None:
    """Import whatever a program of ours may: what a fork finds imported costs it nothing."""
    import streams

    for found in pkgutil.walk_packages(streams.__path__, "streams."):
        name = found.name.rpartition(".")[2]
        if not name.startswith(("fake", "__main__")) and name != "tied":
            importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


def tie(parent_pid: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def serve(orders: socket.socket) -> dict[str, Any]:
    """Fork for each order; return what was ordered in each child, and never in the parent."""
    heard, woken = socket.socketpair()
    for end in (heard, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    waiting: dict[int, socket.socket] = {}
    own_pid = os.getpid()
    while True:
        ready, _, _ = select.select([orders, heard], [], [])
        if orders in ready:
            payload, fds, _, _ = socket.recv_fds(orders, MOST_BYTES, 3)
            if not payload:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                tie(own_pid)
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (orders, heard, woken, *waiting.values()):
                    each.close()
                _take_over(fds)
                return json.loads(payload)
            os.close(fds[0])
            os.close(fds[1])
            waiting[pid] = socket.socket(fileno=fds[2])
            _tell(waiting[pid], pid)
        if heard in ready:
            heard.recv(4096)
        _collect(waiting)


def _collect(waiting: dict[int, socket.socket]) -> None:
    """Tell of each child that has ended how it did."""
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with waiting.pop(pid) as told:
            _tell(told, os.waitstatus_to_exitcode(status))


def _tell(whom: socket.socket, number: int) -> None:
    try:
        whom.send(str(number).encode())
    except (BrokenPipeError, ConnectionResetError):
        return  # nobody asks any more


def _take_over(fds: list[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, place in zip((nothing, *fds[:2]), (0, 1, 2), strict=True):
        os.dup2(given, place)
    for each in (nothing, *fds):
        os.close(each)


def become(order: dict[str, Any]) -> None:
    """Be the Python program that was ordered, in its folder, environment and session."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    if order["has_session"]:
        os.setsid()
    words = order["argv"]
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - a test's own program
    else:
        sys.argv = words
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    tie(os.getppid())
    import_ours()
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
