"""What the commands print: tables for people, one JSON object a line for programs."""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.kafka_roles import role_of
from streams.plain_text import json_line, one_line, several_lines
from streams.settings import Settings, load_settings
from streams.telemetry import configure_log

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line; integers as decimal strings.")]


def out() -> Console:
    """Where results go: plain text when piped. A piped table is as wide as it must be."""
    wide = None if sys.stdout.isatty() else 240
    return Console(soft_wrap=False, highlight=False, width=wide if "COLUMNS" not in os.environ else None)


def say(text: str) -> None:
    """Print a line for people, beside the results."""
    sys.stderr.write(f"{several_lines(text)}\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows; columns whose name starts with `>` are numbers and stand to the right."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))  # Text: brackets in a value are not markup
    out().print(table)


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
