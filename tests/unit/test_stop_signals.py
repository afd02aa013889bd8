"""Ctrl-C and SIGTERM end any command without a traceback and with the shell's code, from the first import of ours on."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

RUN = """
import os, runpy, sys

where, number, *words = sys.argv[1:]

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == where:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Signalling())
sys.argv[1:] = words
runpy.run_module("streams.cli", run_name="__main__", alter_sys=True)
"""
"""Runs a command that sends itself a signal when it begins to import a module."""


def python(*, interrupts: signal.Handlers) -> list[str]:
    """Return a command that starts Python with Ctrl-C treated as given: ignored is what background jobs inherit, and so may these tests."""
    treated = f"signal.signal(signal.SIGINT, signal.{interrupts.name})"
    again = "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return [sys.executable, "-c", f"import os, signal, sys; {treated}; {again}"]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("where", "command"),
    [
        ("streams.cli.commands", "--version"),  # the first that is not light
        ("pydantic", "look"),
        ("streams.cli.look", "look 0x0000000000000000000000000000000000000001 --rpc http://127.0.0.1:9"),
        ("faust", "work"),
    ],
)
def test_a_signal_while_a_command_is_imported_ends_it_without_a_word(tmp_path, where, command, number):
    program = [*python(interrupts=signal.SIG_DFL), "-c", RUN, where, str(int(number)), *command.split()]
    done = subprocess.run(
        program, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", CODES[number])


ENVIRONMENT = {
    "PYTHONPATH": ":".join(filter(None, sys.path)),
    "EVENKEEL_CHAIN_ID": "1",
    "EVENKEEL_BROKER": "127.0.0.1:9",
    "EVENKEEL_RPC_URL": "http://127.0.0.1:9",
}


@contextlib.contextmanager
def silent_server() -> Iterator[socket.socket]:
    """Accept connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        yield server


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize(
    "command",
    ["look 0x0000000000000000000000000000000000000001 --rpc http://{}", "topics list", "doctor"],
)
def test_a_signal_while_a_command_waits_for_an_answer_ends_it_without_a_traceback(tmp_path, command, number):
    with silent_server() as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        env = {**ENVIRONMENT, "EVENKEEL_BROKER": address, "EVENKEEL_RPC_URL": f"http://{address}"}
        program = [*python(interrupts=signal.SIG_DFL), "-m", "streams.cli", *command.format(address).split()]
        with (
            subprocess.Popen(
                program, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as running,
            server.accept()[0],
        ):  # it has asked
            running.send_signal(number)
            out, err = running.communicate(timeout=120)
    assert (out, running.returncode) == ("", CODES[number])
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1  # what it waits for


def test_a_signal_that_the_starter_ignores_stays_ignored(tmp_path):
    program = [*python(interrupts=signal.SIG_IGN), "-c", RUN, "typer", str(int(signal.SIGINT)), "--version"]
    done = subprocess.run(
        program, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout.startswith("evenkeel "), done.stderr, done.returncode) == (True, "", 0)
