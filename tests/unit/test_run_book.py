"""Every command on the pages that people type from is accepted by the program, with its options and arguments."""

import re
import shlex
from pathlib import Path

import pytest
from typer._click.exceptions import UsageError
from typer.main import get_command

from streams.cli.commands import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("run-book.md", "deployment.md", "tutorial.md")
LEAST = {"run-book.md": 30, "deployment.md": 7, "tutorial.md": 10}


def commands_in(text: str) -> list[str]:
    """Find the commands of fenced blocks and of code within sentences."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^(?:\$ )?(evenkeel .*)$", blocks, re.MULTILINE)
    spans = re.findall(
        r"`(evenkeel [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    return [*lines, *(" ".join(span.split()) for span in spans)]


def parse(command: str) -> None:
    """Parse a command without running it. Raises: UsageError."""
    _, *words = shlex.split(command, comments=True)
    found = get_command(app)
    while hasattr(found, "get_command"):
        below = found.get_command(None, words[0]) if words else None
        if below is None:
            raise UsageError(f"no command {' '.join(words[:1])}")
        found, words = below, words[1:]
    found.make_context(found.name, words)


PAGE_COMMANDS = [
    pytest.param(command, id=f"{page}: {command}")
    for page in PAGES
    if (DOCS / page).exists()
    for command in dict.fromkeys(commands_in((DOCS / page).read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("command", PAGE_COMMANDS)
def test_a_command_of_the_pages_is_one_that_the_program_takes(command):
    parse(command)


@pytest.mark.parametrize("page", [page for page in PAGES if (DOCS / page).exists()])
def test_there_are_commands_to_check(page):
    assert len(set(commands_in((DOCS / page).read_text(encoding="utf-8")))) >= LEAST[page]


@pytest.mark.parametrize(
    "wrong",
    [
        "evenkeel kil",
        "evenkeel intents",
        "evenkeel kill --now",
        "evenkeel drain --within soon",
        "evenkeel skip shard/2",
        "evenkeel why",
        "evenkeel resume book/one book/two",
        "evenkeel topics tail events --last many",
    ],
)
def test_a_command_that_the_program_would_not_take_is_found(wrong):
    with pytest.raises(UsageError):
        parse(wrong)
