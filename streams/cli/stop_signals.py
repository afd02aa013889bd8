"""Ctrl-C and SIGTERM for every command, from the first line of ours to the interpreter's end: no traceback, the usual exit code."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

_BY_SIGNAL = 128
"""A shell's exit code of a program that a signal ended, less the signal's number: 130 after Ctrl-C, 143 after SIGTERM."""
INTERRUPTED = _BY_SIGNAL + signal.SIGINT
UNREAD = _BY_SIGNAL + signal.SIGPIPE
"""As if the signal had ended us: Python ignores it, for it would also end who serves when a connection breaks."""

_Handler = Callable[[int, FrameType | None], object]


def end_at_once() -> None:
    """Let either signal end the process where it stands: for the time in which nothing is begun, or all is done and flushed.

    An exception would not do: raised in the middle of an import or of the interpreter's own end, it is printed, or lost.
    """
    _at_stop_signals(_ended, _ended)


def end_in_order() -> None:
    """Let either signal end the command through its `finally` clauses, so that what it started is stopped too."""
    _at_stop_signals(signal.default_int_handler, _told_to_end)


def _at_stop_signals(interrupted: _Handler, terminated: _Handler) -> None:
    """Take these handlers, but leave alone a signal that whoever started us has told us to ignore.

    A command that runs in another thread than the main one, which alone hears signals, leaves them to its process.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in ((signal.SIGINT, interrupted), (signal.SIGTERM, terminated)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _ended(number: int, _: FrameType | None) -> NoReturn:
    os._exit(_BY_SIGNAL + number)


def _told_to_end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(_BY_SIGNAL + number)
