"""Programs that are forked behave like those that Python starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from forked import Forked, run
from users import are_gone


def python(folder: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, *words], cwd=folder, env={**os.environ, **changes})


def test_it_ends_as_the_program_says(tmp_path):
    assert python(tmp_path, "-c", "pass").returncode == 0
    assert python(tmp_path, "-c", "raise SystemExit(65)").returncode == 65
    failed = python(tmp_path, "-c", "1 / 0")
    assert failed.returncode == 1
    assert failed.stderr.endswith("ZeroDivisionError: division by zero\n")
    killed = python(tmp_path, "-c", "import os; os.kill(os.getpid(), 9)")
    assert killed.returncode == -signal.SIGKILL


def test_folder_environment_arguments_and_outputs_are_its_own(tmp_path):
    code = "import os, sys; print(os.getcwd(), os.environ['ONLY'], sys.argv[1:]); print(os.environ.get('REST'), file=sys.stderr)"
    done = python(tmp_path, "-c", code, "a", "b c", ONLY="here")
    assert done.stdout == f"{tmp_path} here ['a', 'b c']\n"
    assert done.stderr == "None\n"
    file = tmp_path / "program.py"
    file.write_text("import sys\nif __name__ == '__main__': print(sys.argv[1:], sys.path[0])")
    assert python(tmp_path, str(file), "c").stdout == f"['c'] {tmp_path}\n"


def test_our_command_is_one_of_them(tmp_path):
    done = python(tmp_path, "-P", "-m", "streams.cli", "nonsense")
    assert done.returncode == 2
    assert "there is no command nonsense" in done.stderr


def test_no_two_have_the_same_chances(tmp_path):
    """What was drawn before the fork must not be what all draw."""
    code = "import random, uuid; print(random.random(), uuid.uuid4())"
    assert python(tmp_path, "-c", code).stdout != python(tmp_path, "-c", code).stdout


def test_it_is_asked_waited_for_and_killed_by_its_pid(tmp_path):
    asleep = Forked([sys.executable, "-c", "import time; time.sleep(600)"], cwd=tmp_path)
    assert asleep.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        asleep.wait(0.05)
    assert not are_gone({asleep.pid}, within_s=0.05)
    os.kill(asleep.pid, signal.SIGKILL)
    assert asleep.wait(60) == -signal.SIGKILL
    assert asleep.poll() == -signal.SIGKILL
    assert are_gone({asleep.pid})
    asleep.kill()  # nobody is hit any more


def test_it_ends_with_whoever_asked_for_it(tmp_path):
    code = f"""
import os, sys, time
sys.path[:0] = {sys.path!r}
from forked import Forked
with open("asleep.log", "wb") as log:  # or whoever reads our output would wait for its end
    asleep = Forked([sys.executable, "-c", "import time; time.sleep(60)"], stdout=log, stderr=log)
print(asleep.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert are_gone({int(done.stdout)})
