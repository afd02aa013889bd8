"""The commands by name, and how each ends. A command's module is imported when the command runs."""

import errno
import os
import select
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer._click.exceptions import NoArgsIsHelpError, UsageError
from typer.main import get_command

from pipeline.errors import EvenkeelError
from streams.cli.command_groups import Group
from streams.cli.stop_signals import INTERRUPTED, UNREAD, end_in_order
from streams.plain_text import several_lines
from streams.process import CONFIGURATION, code_of
from streams.redaction import redact
from streams.yaml_positions import did_you_mean, in_our_words

_COMMANDS: Mapping[str, str] = {
    "look": "look",
    "init": "portfolios",
    "check": "portfolios",
    "apply": "portfolios",
    "up": "running",
    "watch": "running",
    "backfill": "backfilling",
    "work": "running",
    "rehearse": "rehearsing",
    "submit": "submitting",
    "intents": "intents",
    "positions": "holdings",
    "inventory": "holdings",
    "plans": "plans",
    "hedge": "hedge",
    "curve": "curve",
    "volatility": "volatility",
    "why": "why",
    "pause": "operate",
    "resume": "operate",
    "skip": "skipping",
    "adopt": "adopting",
    "unwind": "unwinding",
    "settle": "settling",
    "kill": "stopping",
    "drain": "stopping",
    "topics": "topics",
    "doctor": "doctor",
    "state": "state",
    "broker": "broker",
    "devnet": "devnet",
    "demo": "demo",
    "help": "help",
}
"""Each command is the function, or the group, of its name in this module of ours."""


_SERVING = frozenset({"up", "watch", "work", "rehearse", "submit"})
_FAILED = 1
_OUTPUTS = (1, 2)
"""The descriptors of standard output and standard error."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a file can grow no further; it does not say which."""
_NOT_FOR_US = _NO_ROOM | {
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
"""What the system says of a folder or file that a user must choose otherwise."""


class _Commands(Group):
    """Reads only what is asked for: all of it takes seconds."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if not name.startswith("-") and name not in _COMMANDS:
            raise UsageError(f"there is no command {name}{did_you_mean(name, list(_COMMANDS))}", ctx)
        found = super().resolve_command(ctx, args)
        end_in_order()
        return found

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        return _command(cmd_name) if cmd_name in _COMMANDS else None


def _command(name: str) -> Any:
    found = getattr(import_module(f"streams.cli.{_COMMANDS[name]}"), name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        found = alone
    command = get_command(found)
    command.name = name
    return command


app = typer.Typer(
    rich_markup_mode=None,
    name="evenkeel",
    cls=_Commands,
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


def run_command() -> None:
    """Run a command; exit with 0, 1 after one clear error, 2 for a command that is none, 65 where a person must look first.

    A command that is kept running ends with 78 where what it was given is wrong: starting it again is of no use.
    """
    _have_outputs()
    try:
        code = app(prog_name="evenkeel", standalone_mode=False)
        sys.stdout.flush()
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except UsageError as error:
        _fail(_usage(error), 2)
    except typer.Abort:
        _fail("error: ended at the terminal", INTERRUPTED)
    except EvenkeelError as error:
        code = code_of(error, _FAILED)
        _fail(f"error: {error}", _FAILED if code == CONFIGURATION and not _serves() else code)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer would end without a word, whatever broke
            _end_at_broken_pipe(ended.__context__)
        raise
    except BrokenPipeError as error:
        _end_at_broken_pipe(error)
    except OSError as error:
        _fail_on_file(error)
    except Exception:  # noqa: BLE001 - a defect of ours: its traceback, with nothing secret in it
        _fail(traceback.format_exc())
    sys.exit(code if isinstance(code, int) else 0)


def _have_outputs() -> None:
    """Put the null device where we were started with a standard stream closed: there is nobody to show anything to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _fail_on_file(error: OSError) -> NoReturn:
    """End with one line where a file or folder is not for us; any other error of the system is a defect of ours."""
    code = CONFIGURATION if _serves() else _FAILED
    if error.filename is None and error.errno in _NO_ROOM:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # its buffer would fail again at the end
        _fail(f"error: cannot write: {error.strerror}; what was to be shown or kept is not complete", code)
    if error.filename is None or error.errno not in _NOT_FOR_US:
        _fail(traceback.format_exc())
    _fail(f"error: cannot use {error.filename}: {error.strerror}", code)


def _end_at_broken_pipe(error: BrokenPipeError) -> NoReturn:
    """End as other programs do whose output nobody reads any more; a pipe of any other kind is a defect of ours."""
    if not any(map(_is_unread, _OUTPUTS)):
        _fail("".join(traceback.format_exception(error)))
    _give_up_output()
    sys.exit(UNREAD)


def _is_unread(descriptor: int) -> bool:
    """Return whether an output is a pipe that its reader has closed."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(found & select.POLLERR for _, found in poll.poll(0))


def _give_up_output() -> None:
    """Send nothing more to the outputs: what waits in their buffers would fail again when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in filter(_is_unread, _OUTPUTS):
        os.dup2(nowhere, descriptor)


def _usage(error: UsageError) -> str:
    """Describe what is wrong with a command line, and where its help is: one line, whatever the mistake."""
    says = in_our_words(error.format_message().rstrip("."))
    command = error.ctx.command_path if error.ctx is not None else "evenkeel"
    return f"error: {says} (`{command} --help`)"


def _serves() -> bool:
    """Return whether this is a program that a supervisor keeps running: it reads how we end."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "") in _SERVING


def _fail(says: str, code: int = 1) -> NoReturn:
    with suppress(BrokenPipeError):  # nobody reads why, but the code tells
        sys.stderr.write(f"{several_lines(redact(says))}\n")
    _give_up_output()
    sys.exit(code)
