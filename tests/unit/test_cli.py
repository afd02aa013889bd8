"""Every command describes itself; every error is one clear line with the right exit code."""

import fcntl
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from cli_run import stop_signals_set_back
from typer.main import get_command

from streams.cli import main
from streams.cli.commands import app
from streams.cli.help import TOPICS
from streams.cli.holdings import no_such_book
from streams.process import CONFIGURATION
from streams.settings import Settings, variable_of
from streams.work.group import Rejoined

CANARY = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def evenkeel(tmp_path, monkeypatch, capsys):
    """Run a command in this process, in a folder and an environment of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("EVENKEEL_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def run(*arguments: str, **env: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["evenkeel", *arguments])
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code
        return Done(code, *capsys.readouterr())

    with stop_signals_set_back():
        yield run
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def commands(command=None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = command or get_command(app)
    yield path
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(None, name), (*path, name))


COMMANDS = list(commands())


def test_the_commands_are_those_of_the_manual():
    assert {" ".join(path) for path in COMMANDS} >= {
        *(
            "init",
            "check",
            "apply",
            "up",
            "watch",
            "work",
            "positions",
            "inventory",
            "why",
            "pause",
            "resume",
        ),
        *("demo", "doctor", "topics list", "topics tail", "devnet up", "devnet status", "devnet down"),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help(path, capsys):
    with pytest.raises(SystemExit) as ended:
        get_command(app).main([*path, "--help"], prog_name="evenkeel")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "Usage: evenkeel" in shown
    assert "show_version" not in shown
    assert "\x1b[" not in shown
    doc = shown.splitlines()
    assert any(line.strip().endswith((".", ":")) for line in doc), "one sentence at least"


SHELLS = {
    "bash": lambda line: {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
    "zsh": lambda line: {"_TYPER_COMPLETE_ARGS": line},
    "fish": lambda line: {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}
COMPLETED = [
    ("evenkeel inv", "inventory"),
    ("evenkeel topics ta", "tail"),
    ("evenkeel topics tail dec", "decisions"),
    ("evenkeel topics tail decisions --book b", "beta"),
    ("evenkeel inventory --book a", "alpha"),
    ("evenkeel pause book/a", "book/alpha"),
    ("evenkeel resume al", "all"),
]


@pytest.mark.parametrize(("line", "completes"), COMPLETED)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_books_and_topics(evenkeel, tmp_path, shell, line, completes):
    (tmp_path / "portfolio.yaml").write_text(
        "books:\n  - book: alpha\n    mode: watch\n  - {x: 1}\n  - book: 'beta'\n"
    )
    done = evenkeel(_EVENKEEL_COMPLETE=f"complete_{shell}", **SHELLS[shell](line))
    assert done.returncode == 0
    assert completes in done.stdout
    assert "portfolio" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("group", [(), ("topics",), ("intents",), ("devnet",), ("state",)])
def test_a_list_of_commands_cuts_nothing_off(evenkeel, group):
    done = evenkeel(*group, "--help", COLUMNS="80")
    listed = done.stdout.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_completion_is_installed_for_the_whole_program_alone():
    for path in COMMANDS:
        command = get_command(app)
        for name in path:
            command = command.get_command(None, name)
        offered = {option for each in command.params for option in each.opts}
        assert ("--install-completion" in offered) == (path == ()), path


def test_a_range_of_prices_is_shown_as_it_is_written(evenkeel):
    assert "--range LOW HIGH " in evenkeel("curve", "--help").stdout


def test_an_unknown_book_is_met_with_the_likely_one_or_with_all():
    assert no_such_book("alhpa", ["alpha", "beta"]) == "there is no book alhpa; did you mean alpha?"
    assert no_such_book("x", ["beta", "alpha"]) == "there is no book x; known: alpha, beta"
    assert no_such_book("x", []) == "there is no book x; there are no books yet"


def test_an_end_before_the_beginning_is_refused(evenkeel):
    settings = {"EVENKEEL_BROKER": "127.0.0.1:9", "EVENKEEL_CHAIN_ID": "1"}
    done = evenkeel("topics", "tail", "decisions", "--since", "2h", "--until", "3h", **settings)
    assert (done.returncode, done.stderr) == (1, "error: --until: 3h is not after --since, 2h\n")


def test_help_explains_commands_and_topics(evenkeel):
    assert "Usage: evenkeel topics tail" in evenkeel("help", "topics", "tail").stdout
    assert "Usage: evenkeel [OPTIONS]" in evenkeel("help").stdout
    for topic, text in TOPICS.items():
        assert evenkeel("help", topic).stdout == f"{text}\n"
    done = evenkeel("help", "stoping")
    assert (done.returncode, done.stderr) == (
        1,
        "error: there is no command or topic stoping; did you mean stopping?\n",
    )


def test_the_help_of_settings_names_each_and_no_other():
    named = set(re.findall(r"EVENKEEL_[A-Z_]+[A-Z]", TOPICS["settings"]))
    assert named == {variable_of(field) for field in Settings.model_fields}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_help_topic_names_only_commands_that_exist_and_fits(topic):
    for written in re.findall(r"evenkeel((?: [a-z]+)+)", TOPICS[topic]):
        assert tuple(written.split()[:1]) in COMMANDS, written
    assert max(map(len, TOPICS[topic].splitlines())) <= 80


def test_version(evenkeel):
    done = evenkeel("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("evenkeel ")


def test_the_program_as_a_process_of_its_own(tmp_path):
    program = [sys.executable, "-m", "streams.cli", "positions"]
    env = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        program, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: broker is not set: set EVENKEEL_BROKER")


KEYLESS = ("running", "portfolios", "holdings", "operate", "topics", "state", "why", "doctor")


def test_who_signs_nothing_loads_no_library_of_keys():
    """It takes as long as all the rest of a start."""
    each = f"import importlib, sys; [importlib.import_module('streams.cli.' + name) for name in {KEYLESS}]"
    code = f"{each}; print('eth_account' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


@pytest.mark.parametrize("arguments", [("nonsense",), ("apply", "--nonsense"), ("topics", "tail"), ("why",)])
def test_wrong_usage_exits_with_2(tmp_path, evenkeel, arguments):
    done = evenkeel(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("--help`)")
    assert f"`evenkeel {' '.join(arguments[:-1])}".rstrip() in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("inventroy",), "there is no command inventroy; did you mean inventory? (`evenkeel --help`)"),
        (("topics", "tial"), "did you mean"),
        (("apply", "--dri-run"), "--dry-run"),
        (("look", "0x1", "--block", "0x10"), "invalid value for '--block': must be a whole number (`"),
        (("look", "0x1", "--block", "-1"), "invalid value for '--block': must be at least 1 (`"),
        (("broker", "up", "--port", "99999"), "invalid value for '--port': must be at most 65535 (`"),
        (("curve", "range", "--range", "1,2", "3"), "invalid value for '--range': must be a number (`"),
    ],
)
def test_a_typing_error_is_met_with_what_may_be_meant(evenkeel, arguments, says):
    done = evenkeel(*arguments)
    assert done.returncode == 2
    assert says.lower() in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("apply",), "error: cannot read portfolio.yaml: No such file or directory"),
        (("check", "wrong.yaml"), "error: wrong.yaml:1:1: chain: missing: the chain of the books"),
        (("positions",), "error: broker is not set: set EVENKEEL_BROKER"),
        (("topics", "list"), "error: broker is not set"),
        (("pause", "pool/0x1"), "error: pool/0x1 cannot be paused: all, or book/ID"),
        (("resume", "nonsense"), "error: nonsense cannot be resumed"),
        (("devnet", "status"), "no devnet in .evenkeel/devnet: evenkeel devnet up"),
    ],
)
def test_an_error_is_one_clear_line_and_exit_code_1(tmp_path, evenkeel, arguments, says):
    (tmp_path / "wrong.yaml").write_text("books: []\n")
    done = evenkeel(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["watch", "work", "rehearse", "up"])
def test_a_program_that_is_kept_running_says_by_its_code_that_no_restart_helps(evenkeel, command):
    done = evenkeel(command)
    assert done.returncode == CONFIGURATION
    assert done.stderr.startswith("error: ")
    assert "is not set: set EVENKEEL_" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_dead_broker_is_one_line(evenkeel, tmp_path):
    done = evenkeel("topics", "list", EVENKEEL_BROKER="127.0.0.1:9", EVENKEEL_CHAIN_ID="1")
    assert done.returncode == 1
    assert done.stderr == (
        "error: the broker at 127.0.0.1:9: nobody answers: is the broker running, and is EVENKEEL_BROKER its address?\n"
    )


def test_an_unknown_variable_is_named(evenkeel, tmp_path):
    done = evenkeel("positions", EVENKEEL_BROKR="x:1")
    assert done.stderr == "error: EVENKEEL_BROKR: unknown variable; did you mean EVENKEEL_BROKER?\n"


def test_what_a_user_mistakes_for_something_else_is_not_repeated(evenkeel, tmp_path):
    (tmp_path / "p.yaml").write_text(f"chain: {{id: 1}}\nbooks:\n  - book: a\n    mode: {CANARY}\n")
    done = evenkeel("check", "p.yaml")
    assert done.returncode == 1
    assert CANARY[10:] not in done.stderr + done.stdout


def test_init_writes_what_check_and_a_second_init_understand(evenkeel, tmp_path):
    assert evenkeel("init").returncode == 0
    checked = evenkeel("check")
    assert checked.returncode == 0, checked.stderr
    assert "eth-usdc" in checked.stdout
    assert "\x1b[" not in checked.stdout + checked.stderr
    again = evenkeel("init")
    assert (again.returncode, again.stderr) == (1, "error: portfolio.yaml exists; --force writes over it\n")
    assert evenkeel("init", "--force").returncode == 0


def test_a_file_for_another_chain_is_refused(evenkeel, tmp_path):
    evenkeel("init")
    done = evenkeel("apply", EVENKEEL_CHAIN_ID="137", EVENKEEL_BROKER="127.0.0.1:9")
    assert done.returncode == 1
    assert "chain.id: 1, but this deployment is on chain 137" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("init", "plain/portfolio.yaml"), {}),
        (("init", "folder"), {}),
        (("devnet", "up"), {"EVENKEEL_FOLDER": "plain/run"}),
        (("devnet", "up"), {"EVENKEEL_CACHE": "plain/cache"}),
        (("work",), {"EVENKEEL_FOLDER": "plain/run"}),
        (("up",), {"EVENKEEL_FOLDER": "plain/run"}),
        (("kill", "--local", "plain/signer.yaml"), {}),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line_that_names_it(evenkeel, tmp_path, arguments, env):
    (tmp_path / "plain").write_text("a file, no folder")
    (tmp_path / "folder").mkdir()
    settings = {
        "EVENKEEL_BROKER": "127.0.0.1:9",
        "EVENKEEL_CHAIN_ID": "1",
        "EVENKEEL_RPC_URL": "http://127.0.0.1:9",
    }
    done = evenkeel(*arguments, **settings, **env)
    assert done.returncode in {1, CONFIGURATION}
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "plain" in line or "folder exists" in line
    assert done.stderr.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("init", "nowhere/p.yaml"), 1, "error: cannot use nowhere/p.yaml: No such file or directory"),
        (
            ("curve", "constant-product", "--plot", "nowhere/p.svg"),
            1,
            "error: cannot use nowhere/p.svg: No such file",
        ),
        (
            ("look", "0x" + "ab" * 20, "--rpc", "http://127.0.0.1:9", "--write", "nowhere/p.yaml"),
            1,
            "error: --write: there is no folder nowhere",
        ),
        (
            ("look", "0x" + "ab" * 20, "--rpc", "http://127.0.0.1:9", "--write", "."),
            1,
            "error: --write: . exists: name another file",
        ),
        (("init", "p" * 300), 1, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line_that_names_it(evenkeel, arguments, code, says):
    done = evenkeel(*arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert says in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", [("help", "settings"), ("curve", "constant-product"), ("--help",)])
def test_an_output_that_is_full_is_one_line(tmp_path, command):
    with Path("/dev/full").open("w") as full:
        done = _as_a_program(*command, stdout=full, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: cannot write: No space left on device; what was to be shown or kept is not complete"
    )
    assert "Traceback" not in done.stderr


def test_a_program_without_an_output_does_what_it_is_for(tmp_path):
    closed = (
        "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'streams.cli', 'init'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", closed], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "wrote portfolio.yaml" in done.stderr) == (0, True), done.stderr
    assert (tmp_path / "portfolio.yaml").exists()


def _as_a_program(*command: str, **how: Any) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "streams.cli", *command]
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, **how)


def test_two_workers_of_one_name_are_one_line(evenkeel, tmp_path):
    settings = {"EVENKEEL_BROKER": "127.0.0.1:9", "EVENKEEL_CHAIN_ID": "1", "EVENKEEL_INSTANCE": "one"}
    (tmp_path / ".evenkeel").mkdir()
    with (tmp_path / ".evenkeel" / "work-one.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = evenkeel("work", **settings)
    assert done.returncode == CONFIGURATION
    assert done.stderr == (
        "error: `evenkeel work` runs already in .evenkeel as one: name a second one by EVENKEEL_INSTANCE\n"
    )


def test_a_worker_that_is_given_its_shards_again_and_again_names_the_likely_cause(caplog):
    at_s = [0.0]
    rejoined = Rejoined("one", lambda: at_s[0])
    for at_s[0] in (0, 20, 40, 60, 80):
        rejoined.note()
    assert not caplog.messages
    for at_s[0] in (81, 82, 83):
        rejoined.note()
    assert len(caplog.messages) == 1
    assert "EVENKEEL_INSTANCE=one" in caplog.messages[0]


def test_a_doctor_without_a_broker_says_so_once_and_looks_at_the_rest(evenkeel):
    settings = {
        "EVENKEEL_BROKER": "127.0.0.1:9",
        "EVENKEEL_CHAIN_ID": "1",
        "EVENKEEL_RPC_URL": "http://127.0.0.1:9",
    }
    done = evenkeel("doctor", **settings)
    assert done.returncode == 1
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.splitlines()[2:]}
    assert rows["broker"].startswith("WRONG the broker at 127.0.0.1:9: nobody answers")
    unclear = "unclear not looked at: the broker does not answer"
    assert [name for name, says in rows.items() if says == unclear] == [
        *("topics", "shards", "books", "prices", "tokens", "transfers", "contracts", "allowances", "methods"),
        *("dry-runs", "processes"),
    ]  # fmt: skip
    assert rows["portfolio"] == "well no portfolio.yaml here"
    assert rows["node"].startswith("WRONG ")


@pytest.mark.parametrize(
    ("closed", "command", "code"),
    [
        ("stdout", ("--help",), 141),
        ("stdout", ("topics", "schema", "BlockSeen"), 141),
        ("stdout", ("doctor",), 141),  # a table, which another library writes
        ("stderr", ("init",), 141),  # it was to say something
        ("stderr", ("nonsense",), 2),
        ("stderr", ("positions",), 1),
    ],
)
def test_an_output_that_nobody_reads_ends_a_command_quietly_and_never_as_if_all_were_well(
    tmp_path, closed, command, code
):
    """As other programs end, by 128 and SIGPIPE: what it was to show or do after that is not done."""
    reads, writes = os.pipe()
    os.close(reads)
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: writes}
    words = [sys.executable, "-m", "streams.cli", *command]
    env = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(words, cwd=tmp_path, env=env, text=True, check=False, timeout=120, **outputs)
    os.close(writes)
    assert (done.stdout or "", done.stderr or "", done.returncode) == ("", "", code)


LOOK = ("look", "0x" + "11" * 20, "--rpc", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "command",
    [("check",), ("curve",), ("volatility", "--fee", "0.3%", "--block", "12s")],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\xff\xfe\x00", "it is not UTF-8 text"), (None, "it is larger than 16 MiB")],
    ids=["bytes", "large"],
)
def test_a_file_that_nobody_wrote_is_refused_before_it_fills_the_memory(
    tmp_path, evenkeel, command, content, says
):
    file = tmp_path / "odd"
    with file.open("wb") as odd:
        odd.write(content or b"")
        odd.truncate(len(content) if content else 2**24 + 1)  # takes no room on the disk
    done = evenkeel(command[0], "odd", *command[1:])
    assert (done.returncode, done.stderr) == (1, f"error: cannot read odd: {says}\n")


@pytest.mark.parametrize("command", [(*LOOK, "--block"), ("backfill", "--from")], ids=lambda words: words[0])
def test_a_block_that_no_node_can_have_is_refused(evenkeel, command):
    done = evenkeel(*command, str(2**63))
    assert (done.returncode, "must be at most 9223372036854775807" in done.stderr) == (2, True), done.stderr


def test_a_command_in_another_thread_leaves_the_signals_to_its_process(evenkeel):
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(evenkeel, "--version").result()
    assert (done.returncode, done.stderr, signal.getsignal(signal.SIGINT)) == (0, "", before)
