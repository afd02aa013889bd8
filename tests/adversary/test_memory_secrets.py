"""A signer's process keeps its key once and its password never, dumps no core, and refuses files that others could write."""

import ctypes
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from pipeline.errors import SettingsError
from streams import redaction
from streams.kafka.topics import copies_missing
from streams.redaction import redact, remember_digest
from streams.submit.signer import keystore_signer
from streams.submit.signer_file import load_signer_file

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse 'battery' staple"  # noqa: S105 - of these tests alone
_PR_GET_DUMPABLE = 3

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(redaction, "_digests", {})
    monkeypatch.setattr(redaction, "_known", set())


@pytest.fixture
def key(tmp_path) -> bytes:
    """A key, in a keystore that nobody else can read, with a signer's file that names it."""
    key = os.urandom(32)
    files = {
        "key.json": json.dumps(Account.encrypt(key, PASSWORD, kdf="pbkdf2", iterations=2)),
        "password": f"{PASSWORD}\n",
        "signer.yaml": f"chain: 1\nkeystore: {tmp_path}/key.json\npassword_file: {tmp_path}/password\n"
        "pools: ['0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640']\nbudget_token: "
        "'0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48'\nmax_loss_per_day: 100\nmax_notional: 1000\n"
        "max_notional_per_day: 5000\npolicies: {b1: '" + "1" * 64 + "'}\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    return key


# ------------------------------------------------------------------ memory
@linux_only
def test_the_key_lies_in_memory_once_and_its_digits_and_its_password_nowhere(key, tmp_path):
    needles = {"key": key, "digits": key.hex().encode(), "password": PASSWORD.encode()}
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "tests" / "memory_scan.py"),
            str(tmp_path),
            *(f"{name}={needle[::-1].hex()}" for name, needle in needles.items()),
        ],
        # memory that is free again is overwritten: only what is still held is found
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == {"key": 1, "digits": 0, "password": 0, "core": [0, 0]}


def test_what_is_remembered_by_its_digest_is_hidden_and_held_nowhere(key):
    digits = key.hex()
    remember_digest(digits)
    remember_digest(PASSWORD)
    quoted = json.dumps({"a": PASSWORD, "b": digits.upper()})
    assert redact(f"{digits} 0x{digits} x{digits}y {PASSWORD}") == "*** 0x*** x***y ***"
    assert redact(quoted) == '{"a": "***", "b": "***"}'
    assert redact(repr({"a": PASSWORD})) == "{'a': \"***\"}"
    assert redact(f"{PASSWORD}{PASSWORD[:-1]}") == f"***{PASSWORD[:-1]}"
    held = repr(vars(redaction))
    assert digits not in held
    assert PASSWORD not in held
    assert "battery" not in held


# ------------------------------------------------------------------ core dumps
@linux_only
def test_a_process_with_a_key_dumps_no_core(key, tmp_path):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            keystore_signer(tmp_path / "key.json", tmp_path / "password")
            limited = resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
            undumpable = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
            code = 0 if limited and undumpable else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# ------------------------------------------------------------------ files that others could have made
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
def test_a_signers_file_that_others_may_write_is_refused(key, tmp_path, mode):
    file = tmp_path / "signer.yaml"
    load_signer_file(file)
    file.chmod(mode)
    with pytest.raises(
        SettingsError, match=rf"{file} may be written by others \(mode {mode:04o}\): chmod go-w"
    ):
        load_signer_file(file)


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o600])
def test_others_may_read_it(key, tmp_path, mode):
    (tmp_path / "signer.yaml").chmod(mode)
    load_signer_file(tmp_path / "signer.yaml")


@pytest.mark.parametrize("name", ["signer.yaml", "key.json", "password"])
def test_a_link_in_place_of_one_of_the_three_files_is_refused(key, tmp_path, name):
    file = tmp_path / name
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match=rf"{file} is a symbolic link, which may be pointed elsewhere"):
        opened(tmp_path)


def opened(folder: Path) -> None:
    file = load_signer_file(folder / "signer.yaml")
    keystore_signer(file.keystore, file.password_file)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_in_which_others_may_put_another_file_is_refused_however_far_up(key, tmp_path, mode):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for name in ("signer.yaml", "key.json", "password"):
        text = (tmp_path / name).read_text().replace(f"{tmp_path}/", f"{inner}/")
        (inner / name).write_text(text)
        (inner / name).chmod(0o600)
    opened(inner)
    (tmp_path / "a").chmod(mode)
    with pytest.raises(SettingsError, match=rf"{tmp_path}/a may be written by others"):
        opened(inner)
    with pytest.raises(SettingsError, match=rf"{tmp_path}/a may be written by others"):
        keystore_signer(inner / "key.json", inner / "password")
    (tmp_path / "a").chmod(mode | 0o1000)  # as /tmp is: others may add, but not replace
    opened(inner)


def test_a_link_to_a_folder_is_followed_and_each_folder_on_its_way_looked_at(key, tmp_path):
    open_folder, real = tmp_path / "open", tmp_path / "real"
    open_folder.mkdir()
    real.mkdir()
    for name in ("key.json", "password"):
        (tmp_path / name).rename(real / name)
    (open_folder / "link").symlink_to("../real")
    through = open_folder / "link"
    keystore_signer(through / "key.json", through / "password")
    open_folder.chmod(0o777)
    with pytest.raises(SettingsError, match=f"{open_folder} may be written by others"):
        keystore_signer(through / "key.json", through / "password")
    open_folder.chmod(0o700)
    (open_folder / "loop").symlink_to("loop")
    with pytest.raises(SettingsError, match=r"links without an end|cannot read"):
        keystore_signer(open_folder / "loop" / "key.json", through / "password")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
@pytest.mark.parametrize("whose", ["signer.yaml", "."])
def test_what_belongs_to_another_user_is_refused(key, tmp_path, whose):
    os.chown(tmp_path / whose, 12_345, -1)
    with pytest.raises(SettingsError, match=r"belongs to another user \(12345\)"):
        opened(tmp_path)


def test_what_is_no_file_is_refused_and_never_waited_for(key, tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SettingsError, match="it is not a file"):
        load_signer_file(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="it is not a file"):
        load_signer_file(tmp_path)
    with pytest.raises(SettingsError, match="it is not a file"):
        keystore_signer(tmp_path / "pipe", tmp_path / "password")
    with pytest.raises(SettingsError, match="cannot read"):
        load_signer_file(tmp_path / "nothing")


# ------------------------------------------------------------------ copies of the journal
@pytest.mark.parametrize(
    ("copies", "in_sync", "unclean", "says"),
    [
        (3, 2, False, []),
        (2, 2, False, []),
        (1, 1, False, ["its replicas are 1", "min.insync.replicas is 1"]),
        (3, 1, False, ["min.insync.replicas is 1, must be at least 2"]),
        (2, 3, False, ["above its 2 replicas: nothing can be written"]),
        (3, 2, True, ["unclean.leader.election.enable is true"]),
    ],
)
def test_a_journal_that_one_broker_can_lose_is_refused_where_there_are_several(
    copies, in_sync, unclean, says
):
    found = copies_missing(copies, in_sync, unclean=unclean)
    assert len(found) == len(says)
    assert all(part in whole for part, whole in zip(says, found, strict=True))
