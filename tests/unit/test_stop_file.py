"""The place and the content of a signer's stop file, and how it is written and removed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from streams.submit.stop_file import local_stop, put_stop_file, remove_stop_file, stop_file_of

EVENKEEL = [sys.executable, "-P", "-m", "streams.cli"]


def evenkeel(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where neither a broker nor a chain is named."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
    root = str(Path(__file__).parents[2])
    env = {**bare, "PYTHONPATH": root}
    return subprocess.run(
        [*EVENKEEL, *words], check=False, cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )


def test_it_is_beside_the_signers_file_unless_that_names_another(tmp_path):
    file = tmp_path / "signer.yaml"
    assert stop_file_of(file) == tmp_path / "signer.yaml.stop", (
        "a file that is not there cannot hinder a stop"
    )
    file.write_text("chain: 1\n")
    assert stop_file_of(file) == tmp_path / "signer.yaml.stop"
    file.write_text("chain: 1\nstop_file: halt/now\n")
    assert stop_file_of(file) == tmp_path / "halt" / "now", (
        "beside the file, not where somebody happens to stand"
    )
    file.write_text("stop_file: /run/keel/stop\n")
    assert stop_file_of(file) == Path("/run/keel/stop")
    file.write_bytes(b"\xff\xfe{{{")
    assert stop_file_of(file) == tmp_path / "signer.yaml.stop", "nor can one that is spoilt"


@pytest.mark.parametrize(
    ("content", "cancels"),
    [
        (b"", False),
        (b"hold\nlunch\n", False),
        (b"cancel\n", True),
        (b"  cancel all of it", True),
        (b"cancelled", False),
        (b"do not cancel", False),
        (b"\xff\x00", False),
    ],
)
def test_whatever_is_in_it_stops_and_its_first_word_may_cancel(tmp_path, content, cancels):
    path = tmp_path / "stop"
    assert local_stop(path) is None
    path.write_bytes(content)
    stop = local_stop(path)
    assert stop is not None
    assert (stop.cancels, str(path) in stop.why) == (cancels, True)


def test_one_that_cannot_be_read_stops(tmp_path):
    folder = tmp_path / "stop"
    folder.mkdir()
    assert local_stop(folder).why.endswith("cannot be read: Is a directory")
    (tmp_path / "file").touch()
    assert local_stop(tmp_path / "file" / "stop") is not None, "only its absence, seen for certain, lets go"


def test_it_is_put_there_and_taken_away(tmp_path):
    path = tmp_path / "stop"
    put_stop_file(path, cancels=True, reason="a test")
    assert local_stop(path).cancels
    put_stop_file(path, cancels=False, reason="a test")
    assert not local_stop(path).cancels
    assert [remove_stop_file(path), remove_stop_file(path)] == [True, False]
    with pytest.raises(SettingsError, match="cannot write"):
        put_stop_file(tmp_path / "nowhere" / "stop", cancels=True, reason="a test")


def test_a_stop_by_a_file_that_is_not_there_stops_and_ends_with_1(tmp_path):
    (tmp_path / "signer.yaml").write_text("chain: 1\n")
    done = evenkeel(tmp_path, "kill", "--local", "singer.yaml", "--local", "signer.yaml")
    assert (tmp_path / "signer.yaml.stop").exists()
    assert (tmp_path / "singer.yaml.stop").exists(), "its file may have been removed while it runs"
    assert done.returncode == 1
    assert "singer.yaml cannot be read" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "error: there is no singer.yaml: if its name is wrong, its signer has not been stopped"
    )


def test_kill_and_resume_local_need_neither_broker_nor_chain(tmp_path):
    (tmp_path / "signer.yaml").write_text("chain: [\n")
    done = evenkeel(tmp_path, "kill", "--local", "signer.yaml", "--cancel", "--reason", "odd prices")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "signer.yaml cannot be read" in done.stderr, (
        "who must stop it cannot wait until its file is in order"
    )
    assert "what waits is cancelled" in done.stderr
    path = tmp_path / "signer.yaml.stop"
    assert path.read_text().startswith("cancel\nodd prices (")
    done = evenkeel(tmp_path, "resume", "--local", "signer.yaml")
    assert (done.returncode, path.exists()) == (0, False), done.stderr
    done = evenkeel(tmp_path, "resume", "--local", "signer.yaml")
    assert "nothing was stopped by it" in done.stderr
