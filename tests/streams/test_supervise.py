"""The supervisor with real child processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from streams.supervise import RestartDelays, why

PROGRAM = """
import asyncio, sys
from streams.supervise import Child, RestartDelays, supervise
from streams.telemetry import configure_log
configure_log("json")
children = [Child(name=n, argv=[sys.executable, "-c", code]) for n, code in CHILDREN]
asyncio.run(supervise(children, RestartDelays(first_s=0.1, most_s=0.4, healthy_s=HEALTHY_S, end_s=END_S)))
print("ended in order")
"""

CRASHES = "open({file!r}, 'a').write('x'); import sys; sys.stderr.write('no such luck\\n'); sys.exit(3)"
SERVES = "import os, time; open({file!r}, 'a').write(str(os.getpid()) + ' '); time.sleep(600)"
STUBBORN = "import os, signal, time; signal.signal(15, signal.SIG_IGN); " + SERVES.removeprefix(
    "import os, time; "
)


def start(children: dict[str, str], *, end_s: float = 3.0, healthy_s: float = 60.0) -> subprocess.Popen[str]:
    program = (
        PROGRAM.replace("CHILDREN", repr(list(children.items())))
        .replace("HEALTHY_S", str(healthy_s))
        .replace("END_S", str(end_s))
    )
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(file: Path, count: int, within_s: float = 60.0) -> list[int]:
    """Wait for so many processes to have written their pids."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if file.exists() and len(file.read_text().split()) >= count:
            return [int(pid) for pid in file.read_text().split()]
        time.sleep(0.02)
    raise AssertionError(f"not {count} in {file}")


def is_alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, within_s: float = 60.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_halted_child_is_not_started_again_and_the_others_go_on(tmp_path):
    file, other = tmp_path / "halts", tmp_path / "serves"
    halts = CRASHES.format(file=str(file)).replace("exit(3)", "exit(65)")
    up = start({"bad": halts, "good": SERVES.format(file=str(other))})
    (pid,) = until(other, 1)
    deadline_s = time.monotonic() + 60
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    time.sleep(2)  # some starts' time: the longest wait before one is 0.4 s
    assert file.read_text() == "x"
    assert is_alive(pid)
    up.terminate()
    out, err = up.communicate(timeout=90)
    assert "ended in order" in out
    assert "a child has halted and is not started again" in err
    assert "no such luck" in err


def test_a_crashing_child_is_started_again_and_its_last_words_are_told(tmp_path):
    file, other = tmp_path / "crashes", tmp_path / "serves"
    up = start({"bad": CRASHES.format(file=str(file)), "good": SERVES.format(file=str(other))})
    deadline_s = time.monotonic() + 60
    while not (file.exists() and len(file.read_text()) >= 3) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    (pid,) = until(other, 1)
    up.terminate()
    out, err = up.communicate(timeout=90)
    assert up.returncode == 0, err
    assert out == "ended in order\n"
    assert len(file.read_text()) >= 3
    assert '"why": "exit code 3"' in err
    assert '"last_words": "no such luck"' in err
    assert "no such luck\n" in err
    assert gone(pid)


def test_a_killed_child_is_started_again(tmp_path):
    file = tmp_path / "serves"
    up = start({"good": SERVES.format(file=str(file))})
    (first,) = until(file, 1)
    os.kill(first, signal.SIGKILL)
    second = until(file, 2)[1]
    assert is_alive(second)
    up.send_signal(signal.SIGINT)
    _, err = up.communicate(timeout=90)
    assert "killed by SIGKILL" in err
    assert up.returncode == 0
    assert gone(second)


def test_a_child_that_does_not_end_is_killed_in_time(tmp_path):
    file = tmp_path / "stubborn"
    up = start({"deaf": STUBBORN.format(file=str(file))}, end_s=1.0)
    (pid,) = until(file, 1)
    up.terminate()
    _, err = up.communicate(timeout=90)  # the child itself would go on for 600 s
    assert "does not end and is killed" in err
    assert gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word to a child of the dead is Linux's")
def test_children_die_with_a_killed_parent(tmp_path):
    file = tmp_path / "serves"
    up = start({"one": SERVES.format(file=str(file)), "two": STUBBORN.format(file=str(file))})
    pids = until(file, 2)
    up.kill()
    up.communicate(timeout=90)
    assert all(gone(pid) for pid in pids)


def test_waits_double_to_a_limit_and_are_jittered():
    patience = RestartDelays(first_s=1.0, most_s=8.0)
    for failures, longest_s in [(0, 1), (1, 2), (2, 4), (3, 8), (9, 8), (10_000, 8)]:
        waits = [patience.delay_s(failures) for _ in range(200)]
        assert longest_s / 2 <= min(waits) <= max(waits) <= longest_s
        assert max(waits) - min(waits) > longest_s / 10


@pytest.mark.parametrize(
    ("code", "text"), [(1, "exit code 1"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")]
)
def test_an_end_is_told_in_words(code, text):
    assert why(code) == text


def test_a_child_that_was_given_what_cannot_be_ends_everything_with_one_line(tmp_path):
    """Exit code 78: no restart mends it, whoever it is."""
    file, other = tmp_path / "pids", tmp_path / "tries"
    wrong = (
        "import os, sys, time\n"
        "while not os.path.exists({other!r}): time.sleep(0.02)\n"
        "open({file!r}, 'a').write('x'); sys.stderr.write('error: chain 1, not 2\\n'); sys.exit(78)"
    )
    serves = SERVES.format(file=str(file))
    parent = start({"serves": serves, "wrong": wrong.format(file=str(other), other=str(file))})
    _, err = parent.communicate(timeout=90)
    assert parent.returncode != 0
    assert "does not end and is killed" not in err
    assert "SettingsError: wrong: chain 1, not 2" in err
    assert other.read_text() == "x", "tried once"
    assert not any(is_alive(pid) for pid in map(int, file.read_text().split()))
