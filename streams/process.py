"""Handle the stop signals of each process, and its exit codes."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from pipeline.errors import (
    AccessError,
    LogLostError,
    NewerRecordError,
    SettingsError,
    SignerHaltedError,
    StateLostError,
)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# ------------------------------------------------------------------ exit codes
HALTED = 65
"""It must not be started again before a person has looked."""
CONFIGURATION = 78
"""What it was given to work with is wrong, and stays so until somebody changes it: starting it again is of no use."""

_HALTING = (AccessError, LogLostError, NewerRecordError, SignerHaltedError, StateLostError)


def code_of(error: BaseException, otherwise: int) -> int:
    """Return with which code a process that serves ends: whether its supervisor may start it again."""
    if isinstance(error, _HALTING):
        return HALTED
    return CONFIGURATION if isinstance(error, SettingsError) else otherwise


# ------------------------------------------------------------------ told to stop
@contextmanager
def at_each_stop_signal(call: Callable[[], object]) -> Iterator[None]:
    """Call something at each SIGTERM and SIGINT while the block runs, in the running loop."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Work until it ends by itself, which may raise, until SIGTERM or SIGINT, or until cancelled."""
    stopping = asyncio.Event()
    with at_each_stop_signal(stopping.set):
        running = asyncio.create_task(work)
        told = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
        finally:
            for task in (running, told):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task


class _ToldToStopError(BaseException):
    """Raised by a signal wherever a program without a loop is."""


@contextmanager
def stopping_on_signal() -> Iterator[None]:
    """End the block at SIGTERM or SIGINT, wherever it is: for a program without a loop."""

    def stop(_: int, __: FrameType | None) -> None:
        raise _ToldToStopError

    former = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        with suppress(_ToldToStopError):
            yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
