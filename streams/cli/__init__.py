"""The command line: `evenkeel ...`."""

import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.errors import EvenkeelError
from streams.cli import demo, devnet, holdings, operate, portfolios, running, topics, why
from streams.cli.console import say
from streams.redaction import redact

app = typer.Typer(
    name="evenkeel",
    help="Keeps an AMM liquidity book on an even keel.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it would print local variables, and a key may be among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"evenkeel {version('evenkeel')}\n")
        raise typer.Exit


@app.callback()
def evenkeel(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep an AMM liquidity book on an even keel: exact inventory, and decisions worth their cost."""
    del show_version


app.command()(portfolios.init)
app.command()(portfolios.check)
app.command()(portfolios.apply)
app.command()(running.up)
app.command()(running.watch)
app.command()(running.work)
app.command()(holdings.positions)
app.command()(holdings.inventory)
app.command()(why.why)
app.command()(operate.pause)
app.command()(operate.resume)
app.command()(demo.demo)
app.add_typer(topics.topics, name="topics")
app.add_typer(devnet.devnet, name="devnet")


def main() -> None:
    """Run a command; exit with 0, 1 after one clear error, 2 for a command that is none."""
    try:
        app()
    except EvenkeelError as error:
        say(redact(f"error: {error}"))
        sys.exit(1)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception:  # noqa: BLE001 - a defect of ours: its traceback, with nothing secret in it
        say(redact(traceback.format_exc()))
        sys.exit(1)
