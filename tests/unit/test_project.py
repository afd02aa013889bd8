"""Rules of the project as a whole: names, locks, sizes, and documents that name only what exists."""

import ast
import importlib.metadata
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import module_docs
import pytest
from forms import ENTRIES
from typer.main import get_command

from streams.cli.commands import app
from streams.kafka.topics import STATE, TOPICS
from streams.settings import Settings, variable_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts_abi", "pipeline", "streams")
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROSE = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LONGEST_MODULE = 299


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read(name: str) -> str:
    return text_of(ROOT / name)


def every(pattern: str, text: str) -> list[Any]:
    """Find everything of a pattern; `^` and `$` are those of a line."""
    return re.findall(pattern, text, re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ------------------------------------------------------------------ packages and locks
def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> dict[str, str]:
    return {canonical(name): version for name, version in every(r"^([\w.-]+)==([\w.+!]+)", read(lock))}


def top_level(distribution: importlib.metadata.Distribution) -> set[str]:
    return {file.parts[0].removesuffix(".py") for file in distribution.files or ()}


def test_no_locked_distribution_owns_one_of_our_names():
    everything = locked("requirements-dev.lock")
    installed = [d for d in importlib.metadata.distributions() if canonical(d.name) in everything]
    assert len(installed) > len(everything) * 0.9, "run it in the project's environment"
    owners = {d.name for d in installed if top_level(d) & set(PACKAGES)}
    assert not owners


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address_and_a_hash_for_everything(lock):
    text = read(lock)
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host| @ ", text)
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_the_locks_agree_and_hold_what_the_project_asks_for():
    needed, everything = locked("requirements.lock"), locked("requirements-dev.lock")
    assert needed.items() <= everything.items()
    asked = every(r'^  "([\w.-]+)', read("pyproject.toml").partition("[tool.hatch")[0])
    assert asked
    assert {canonical(name) for name in asked} <= everything.keys()


def imported() -> set[str]:
    """List the top-level names that our packages import."""
    found: set[str] = set()
    for path in modules():
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def test_what_is_imported_is_asked_for_and_not_another_distributions_business():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    table = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    asked = {canonical(re.split(r"[^\w.-]", each)[0]) for each in table}
    owners = importlib.metadata.packages_distributions()
    foreign = imported() - sys.stdlib_module_names - set(PACKAGES)
    assert len(foreign) > 10
    assert {name for name in foreign if asked.isdisjoint(map(canonical, owners[name]))} == set()


IMPORTED_BY_NOTHING_OF_OURS = {
    "coincurve": "eth-account signs and recovers with it where it is installed: libsecp256k1, in constant time",
    "cramjam": "aiokafka compresses with it where it is installed",
    "safe-pysha3": "eth-hash hashes with it where it is installed: a sixth of pycryptodome's time for a word",
}


def test_what_is_asked_for_is_imported():
    """A dependency that nothing imports is left out; what another one imports for us is named here, with the reason."""
    table = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    asked = {canonical(re.split(r"[^\w.-]", each)[0]) for each in table}
    owners = importlib.metadata.packages_distributions()
    used = {canonical(owner) for name in imported() for owner in owners.get(name, ())}
    assert asked - used == set(IMPORTED_BY_NOTHING_OF_OURS)


# ------------------------------------------------------------------ one way to be told to stop
def test_signals_are_heard_in_one_place_and_in_one_that_is_light_enough_to_be_imported_first():
    hears = re.compile(r"\.add_signal_handler\(|\bsignal\.signal\(")
    heard = [named(path) for path in modules() if hears.search(text_of(path))]
    assert heard == ["streams/cli/stop_signals.py", "streams/process.py"]


# ------------------------------------------------------------------ one client of nodes
HTTP_CLIENTS = {
    "aiohttp",
    "http.client",
    "httpx",
    "requests",
    "urllib.request",
    "urllib3",
    "websockets",
    "web3",
    "ens",
}


def imports_of(path: Path) -> set[str]:
    """List the modules that a file imports, and their parents."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text_of(path))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            found |= {".".join(parts[: n + 1]) for n in range(len(parts))}
    return found


def test_only_the_nodes_client_speaks_to_nodes():
    asks = {named(path): HTTP_CLIENTS & imports_of(path) for path in modules()}
    outside = {name: found for name, found in asks.items() if found and not name.startswith("streams/node/")}
    forwarder = "streams/rehearse/forwarder.py"  # serves a fork, and asks through the client
    assert outside == {forwarder: {"aiohttp"}}
    assert "aiohttp.web" in imports_of(ROOT / forwarder)
    assert every(r"aiohttp\.?\w*", read(forwarder)) == ["aiohttp"]
    speaks = {named(path) for path in modules() if "jsonrpc" in text_of(path)}
    assert {name for name in speaks if not name.startswith("streams/node/")} == {forwarder}


def test_who_only_follows_or_looks_loads_neither_web3_nor_sympy_nor_numpy():
    """The first two take a second each to import, and tens of MiB; numpy takes eleven."""
    code = (
        "import sys, streams.cli, streams.watch.watcher, streams.work.app, streams.curve_files;"
        "sys.exit(bool({'web3', 'sympy', 'numpy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# ------------------------------------------------------------------ sizes
def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_no_module_is_long():
    sizes = {named(path): len(text_of(path).splitlines()) for path in modules()}
    assert len(sizes) > 100
    assert not {name: size for name, size in sizes.items() if size > LONGEST_MODULE}


# ------------------------------------------------------------------ prose
def commands() -> set[tuple[str, ...]]:
    """List every command, and every group of commands."""

    def below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
            yield from below(command.get_command(None, name), (*path, name))

    return set(below(get_command(app), ()))


def test_there_is_prose_to_check():
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/stream.md"} <= {
        named(path) for path in PROSE
    }


@pytest.mark.parametrize("path", PROSE, ids=named)
def test_every_command_named_exists(path):
    known = commands()
    words = {path[:1] for path in known}
    for written in every(r"(?:`|^\$? *)evenkeel((?: [a-z]+)+)", text_of(path)):
        first, *rest = written.split()
        assert (first,) in words, f"evenkeel {first}"
        if len([path for path in known if path[:1] == (first,)]) > 1 and rest:
            assert (first, rest[0]) in known, f"evenkeel {first} {rest[0]}"


OPTION = r"(?<![\w-])(--?[a-z][a-z-]*)"


def options_named(text: str) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Find what is written behind a command, in backticks or at the beginning of a line, with the command's name and itself."""
    root: Any = get_command(app)
    for written in every(r"`(?:evenkeel )?([a-z]+(?: [^`]*)?)`", text) + every(
        r"^\$? *evenkeel ([^#\n]*)", text
    ):
        command, path, words = root, (), written.split("`")[0].split()
        while (
            words
            and hasattr(command, "get_command")
            and (under := command.get_command(None, words[0])) is not None
        ):
            command, path, words = under, (*path, words[0]), words[1:]
        for option in every(OPTION, " ".join(words)) if path else ():
            yield option, path, command


def unknown_options(path: Path) -> list[str]:
    return [
        f"{named(path)}: evenkeel {' '.join(words)} {option}"
        for option, words, command in options_named(text_of(path))
        if option
        not in {"--help", "-h"}.union(*([*each.opts, *each.secondary_opts] for each in command.params))
    ]


@pytest.mark.parametrize("path", PROSE, ids=named)
def test_every_option_named_exists(path):
    assert unknown_options(path) == []


def test_every_option_that_a_message_names_exists():
    assert [wrong for path in modules() for wrong in unknown_options(path)] == []


def test_options_are_looked_for():
    found = [(option, words) for path in PROSE for option, words, _ in options_named(text_of(path))]
    assert len(found) > 100
    assert ("--no-follow", ("topics", "tail")) in found


@pytest.mark.parametrize("path", PROSE, ids=named)
def test_every_variable_named_exists(path):
    known = {variable_of(field) for field in Settings.model_fields}
    assert set(every(r"EVENKEEL_[A-Z_]+", text_of(path))) <= known


@pytest.mark.parametrize("path", PROSE, ids=named)
def test_every_link_leads_somewhere(path):
    text = text_of(path)
    for target in every(r"\]\(([^)\s]+)\)", text):
        assert "://" not in target or target.startswith("https://"), target
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def anchors(path: Path) -> set[str]:
    titles = every(r"^#+ (.+)$", text_of(path))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PROSE, ids=named)
def test_every_file_and_test_named_exists(path):
    text = text_of(path)
    for name in every(r"`((?:tests|docs|streams|pipeline|contracts_abi)/[\w./-]*[\w/])`", text):
        assert (ROOT / name).exists(), name
    for file, test in every(r"\]\([./]*(tests/[\w/]+\.py)\)[:,]? `(test_\w+)`", text):
        assert f"def {test}(" in read(file), f"{file}: {test}"


def test_the_two_commands_of_the_readme_are_targets():
    targets = set(every(r"^([a-z-]+):.*## ", read("Makefile")))
    assert {"demo", "test", "check", "bench", "lock", "help"} <= targets
    for path in PROSE:
        assert set(every(r"(?:`|^)make ([a-z-]+)", text_of(path))) <= targets, named(path)
    assert {"demo", "test"} <= set(every(r"^make ([a-z-]+)", read("README.md")))


def test_what_crosses_a_topic_is_told():
    page = read("docs/stream.md")
    told = set(every(r"[\w.-]+", page))
    for topic in TOPICS.values():
        assert topic.name in told, topic.name
        for message in topic.messages if topic is not STATE else ():
            assert message.__name__ in told, f"{message.__name__} of {topic.name}"
    for kind in ENTRIES:
        assert re.search(rf"`{kind}[`/]", page), f"entry {kind}"


def test_no_two_public_classes_have_one_name():
    named_by: dict[str, list[str]] = {}
    for path in modules():
        for name in every(r"^class ([A-Z]\w*)", text_of(path)):
            named_by.setdefault(name, []).append(named(path))
    assert len(named_by) > 300
    assert {name: places for name, places in named_by.items() if len(places) > 1} == {}


def test_the_layout_names_every_folder():
    told = read("docs/architecture.md")
    for package in ("pipeline", "streams"):
        for part in sorted((ROOT / package).iterdir()):
            if part.is_dir() and not part.name.startswith("_"):
                assert re.search(rf"(?<![\w/]){re.escape(part.name)}/", told), f"{package}/{part.name}"


def test_the_list_of_modules_is_made_from_their_docstrings():
    assert module_docs.PAGE.read_text() == module_docs.page(), "run `make module-docs`"


def test_decisions_are_numbered_without_a_gap_and_say_the_same_three_things():
    found = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(path.name[:4]) for path in found]
    assert len(set(numbers)) == len(numbers)
    assert numbers == [*range(1, numbers[-1] + 1)]
    for path in found:
        text = text_of(path)
        assert text.startswith(f"# {int(path.name[:4])} · ")
        assert every(r"^## (.+)$", text) == ["Context", "Decision", "Consequences"], path.name
        assert path.name in read("docs/architecture.md"), f"{path.name} is not in the list of decisions"
