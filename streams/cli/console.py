"""Print for the commands: tables for people, one JSON object per line for programs."""

import asyncio
import errno
import logging
import os
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.kafka.roles import role_of
from streams.plain_text import json_line, one_line, several_lines
from streams.settings import Settings, load_settings
from streams.telemetry import configure_log

T = TypeVar("T")

HIGHEST_BLOCK = 2**63 - 1
"""That an option takes: nodes and messages have no room for a higher one."""
_PIPED_WIDTH = 1_000
_WRAPPED_WIDTH = 18
"""A column of text that is narrower than this is no pleasure to read."""
_GAP = 2
"""Between two columns."""

AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object per line; integers as decimal strings.")
]


class _Output(Console):
    """Lets whoever runs the command see that nobody reads its output: rich would end it with 1, as if it had failed."""

    def on_broken_pipe(self) -> NoReturn:
        """Raises: BrokenPipeError."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def out() -> Console:
    """Where results go: plain text when piped. A piped table is as wide as it must be."""
    wide = None if sys.stdout.isatty() else _PIPED_WIDTH
    return _Output(soft_wrap=False, highlight=False, width=wide if "COLUMNS" not in os.environ else None)


def say(text: str) -> None:
    """Print a line for people, beside the results."""
    sys.stderr.write(f"{several_lines(text)}\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows; where the terminal is too narrow for them, each row as a list of its fields: nothing is cut off.

    A column whose name starts with `>` holds numbers and stands to the right, one with `~` text that may be wrapped.
    """
    shown = [[one_line(cell) for cell in row] for row in rows]
    console = out()
    if _least_width(columns, shown) > console.width:
        _print_fields(console, title, columns, shown)
    else:
        console.print(_table(title, columns, shown))


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Add up what the columns need: a number its whole length, wrapped text its longest word or a few words."""
    width = 0
    for place, column in enumerate(columns):
        lengths = [cell_len(row[place]) for row in rows]
        if column.startswith("~"):
            words = [cell_len(word) for row in rows for word in row[place].split()]
            lengths = [min(max(lengths, default=0), max(_WRAPPED_WIDTH, *words, 0))]
        width += max(cell_len(column.lstrip(">~")), *lengths, 0) + _GAP
    return width - _GAP


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        right, wraps = column.startswith(">"), column.startswith("~")
        table.add_column(column.lstrip(">~"), justify="right" if right else "left", no_wrap=not wraps)
    for row in rows:
        table.add_row(*map(Text, row))  # Text: brackets in a value are not markup
    return table


def _print_fields(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    console.print(Text(title, style="italic"))
    for row in rows:
        console.print(Text(f"{columns[0].lstrip('>~')} {row[0]}", style="bold"))
        fields = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        fields.add_column(no_wrap=True)
        fields.add_column(overflow="fold")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                fields.add_row(f"  {column.lstrip('>~').strip()}", Text(cell))
        console.print(fields)


def print_line(text: str) -> None:
    """Print a sentence for people; a terminal wraps it."""
    out().print(Text(one_line(text)), soft_wrap=True)


def print_json(payload: bytes | str) -> None:
    """Print one JSON value as it is on the wire, in one line whatever white space a stranger put into it."""
    text = msgspec.json.format(payload.decode() if isinstance(payload, bytes) else payload, indent=0)
    sys.stdout.write(f"{json_line(text)}\n")
    sys.stdout.flush()


def settings_for(program: str, *, serving: bool = False) -> Settings:
    """Read the settings and set the log up: a command that answers and ends stays quiet about its libraries."""
    settings = load_settings().for_role(role_of(program) or "")
    configure_log(settings.log_format, settings.log_level, program=program if serving else "")
    if not serving:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its errors come as ours, in one line
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part."""
    return asyncio.run(work)
