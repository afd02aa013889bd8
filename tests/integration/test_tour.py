"""README's tour on one devnet without order flow: each command's screen, kept as text at 80 and at 120 columns.

What varies from run to run is masked: a hexadecimal word with 0x, or of 12 digits or more, becomes `HEX`, an output's id `ID`, an age
`AGE`, any other number `9`. A table keeps its columns: each is as wide as its masked cells, which stand to the side on which they stood
or are indented as they were. Left out are lines about records that no worker has taken in yet, the rows of the
processes in `doctor`, and the policy's fields under `why`. A missing file is written, and the test fails once.
"""

import difflib
import itertools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import Run
from users import User

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(720)]

KEPT = Path(__file__).parent / "tour"
README = Path(__file__).parents[2] / "README.md"
WIDTHS = (80, 120)
_MASKS = (
    (re.compile(r"\b(?:dec|reb|dry|int)\.[0-9]+\.[0-9]+\.[0-9a-f]+"), "ID"),
    (re.compile(r"\b0x[0-9a-f]{4}…[0-9a-f]{4}|\b0x[0-9a-f]+|\b(?=[0-9]*[a-f])[0-9a-f]{12,}\b"), "HEX"),
    (re.compile(r"\b(?:\d+[wdhms])+\b"), "AGE"),
    (re.compile(r"\d[\d,.]*\d|\d"), "9"),
)
_LEFT_OUT = (
    (re.compile(r"^(policy: .*\n)(?:  .*\n?)+", re.MULTILINE), r"\1"),
    (re.compile(r"^not compared: .*\n", re.MULTILINE), ""),
    (re.compile(r"^(?:up|watch|work|rehearse) tour  .*\n(?:  .*\n)*", re.MULTILINE), ""),
)
_GUTTER = "  "

SCREENS: dict[str, tuple[str, ...]] = {
    "devnet status": (),
    "check": (),
    "apply": (),
    "doctor": (),
    "inventory": (),
    "curve book/usdc-low": (),
    "positions": (),
    "topics list": (),
    "topics tail decisions": ("--no-follow", "-n", "1", "--book", "usdc-low"),
    "why ID": (),
    "intents list": (),
    "help": (),
    "help settings": (),
    "help live": (),
    "help stopping": (),
}
"""What only looks, shown at both widths. The arguments are the test's own."""
ACTS = [
    "pause book/usdc-low --reason 'a look by hand'",
    "resume book/usdc-low",
    "kill",
    "resume",
    "state verify",
    "drain",
    "devnet down",
]
ELSEWHERE = {"adopt 17", "devnet up", "init", "up", "watch", "work", "rehearse", "--install-completion"}
"""Started by the test itself, or shown by a test of its own, or not for a test: it writes into the user's shell."""


def masked(screen: str, folder: str) -> str:
    """Replace what varies from run to run."""
    text = screen.replace(folder, "FOLDER")
    for pattern, word in _LEFT_OUT:
        text = pattern.sub(word, text)
    blocks = itertools.groupby(text.rstrip("\n").split("\n"), key=lambda line: _GUTTER in line.rstrip())
    parts = [
        laid_out(list(lines)) if is_table else [in_words(line) for line in lines]
        for is_table, lines in blocks
    ]
    return "\n".join(line.rstrip() for part in parts for line in part)


def in_words(text: str) -> str:
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text


def laid_out(lines: list[str]) -> list[str]:
    """Mask the cells of a table, and lay it out as it was: a column ends where two places are free in every line."""
    width = max(map(len, lines))
    lines = [line.ljust(width) for line in lines]
    free = "".join(" " if all(line[i] == " " for line in lines) else "x" for i in range(width))
    spans = [found.span() for found in re.finditer(r"x+(?: x+)*", free)]
    columns = [_column([line[start:end] for line in lines]) for start, end in spans]
    indent = " " * (spans[0][0] if spans else 0)
    return [indent + _GUTTER.join(cells) for cells in zip(*columns, strict=True)]


def _column(cells: list[str]) -> list[str]:
    """Mask one column's cells. Where all end at its right side they go on to; else each keeps what it is indented by."""
    there = [cell for cell in cells if cell.strip()]
    to_right = all(cell[-1] != " " for cell in there) and any(cell[0] == " " for cell in there)
    words = [in_words(cell.strip() if to_right else cell.rstrip()) for cell in cells]
    width = max(map(len, words))
    return [word.rjust(width) if to_right else word.ljust(width) for word in words]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[User]:
    """A devnet whose blocks are empty, the example portfolio in force, and everything up."""
    user = User(tmp_path_factory.mktemp("tour"), cache)
    user.env["EVENKEEL_INSTANCE"] = "tour"
    try:
        user.start("devnet", "up", "--no-flow", "--block-time", "0.5", log="devnet.log")
        user.until(lambda: "next, elsewhere" in user.read("devnet.log"), "devnet")
        assert user.run("init").returncode == 0
        user.start("up", "portfolio.yaml", log="up.log")
        user.until(lambda: len(user.run("positions", "--json").stdout.splitlines()) == 2, "positions")
        user.until(lambda: _last_decisions(user).count("inside its band") == 2, "decisions")
        yield user
    finally:
        user.leave()


def _last_decisions(user: User) -> str:
    return user.run("topics", "tail", "decisions", "--no-follow", "-n", "1").stdout


@pytest.fixture
def shown(tour: User, monkeypatch: pytest.MonkeyPatch, evenkeel: Run):
    """Run a command at a width, and take its screen: what it answers, then what it says beside."""
    monkeypatch.chdir(tour.folder)
    monkeypatch.setenv("EVENKEEL_CACHE", tour.env["EVENKEEL_CACHE"])

    def run(*words: str, width: int = 120) -> str:
        done = evenkeel(*words, width=width)
        assert done.code == 0, f"{words}: {done.out}{done.err}"
        return done.out + done.err

    return run


def _words(screen: str, shown) -> list[str]:
    if screen != "why ID":
        return [*screen.split(), *SCREENS[screen]]
    told = shown("topics", "tail", "decisions", "--no-follow", "-n", "1", "--book", "usdc-low", "--json")
    return ["why", json.loads(told.splitlines()[0])["value"]["id"]]


def _differs(name: str, told: str) -> Iterator[str]:
    """Compare with the kept text. A file that is missing is written."""
    file = KEPT / f"{name}.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{told}\n", encoding="utf-8")
        yield f"{file.name} was missing and has been written: look at it"
    elif told != (kept := file.read_text(encoding="utf-8").rstrip("\n")):
        yield "\n".join(
            difflib.unified_diff(kept.split("\n"), told.split("\n"), file.name, "now", lineterm="")
        )


def test_each_screen_is_as_it_was_looked_at(tour, shown):
    """What looks first, at both widths; then what stops and goes on; the last command ends the devnet."""
    wrong: list[str] = []
    for screen in SCREENS:
        for width in WIDTHS:
            told = shown(*_words(screen, shown), width=width)
            assert "\x1b" not in told
            assert "…" not in re.sub(r"0x[0-9a-f]{4}…[0-9a-f]{4}", "", told), f"{screen} is cut off"
            wrong += _differs(
                f"{re.sub('[ /]', '-', screen).lower()}-{width}", masked(told, str(tour.folder))
            )
    told = "".join(f"$ evenkeel {act}\n{shown(*shlex.split(act))}" for act in ACTS[:-1])
    wrong += _differs("acts", masked(told, str(tour.folder)))
    assert not wrong, "\n\n".join([*wrong, "if it is right, remove the file and run this again"])
    assert "ended: chain, broker" in shown(*ACTS[-1].split())


def test_the_tour_is_all_here():
    tour = (
        README.read_text(encoding="utf-8")
        .partition("## A tour by commands")[2]
        .partition("To let a book act")[0]
    )
    named = {line.split("#")[0].strip() for line in re.findall(r"^evenkeel (.*)$", tour, re.MULTILINE)}
    here = {*SCREENS, *ACTS, *ELSEWHERE}
    assert {line.replace('"', "'") for line in named} <= here
