"""Keep child processes running: restart those that end, and stop them all on a signal."""

import asyncio
import codecs
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from pipeline.errors import SettingsError
from streams.backoff import backoff_s
from streams.plain_text import several_lines
from streams.process import CONFIGURATION, HALTED, at_each_stop_signal

log = structlog.get_logger(__name__)

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Child:
    """A program to keep running."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RestartDelays:
    """How long to wait before the next start, and for an end."""

    first_s: float = 0.5
    most_s: float = 30.0
    healthy_s: float = 60.0
    """Who ran this long begins again with the shortest wait."""
    end_s: float = 8.0
    """How long a child may take to shut down cleanly."""
    remind_s: float = 600.0
    """How often it is said that a child stays ended."""

    def delay_s(self, failures: int) -> float:
        """Draw the wait before the next start."""
        return backoff_s(failures, first_s=self.first_s, most_s=self.most_s)


async def supervise(children: Sequence[Child], patience: RestartDelays | None = None) -> None:
    """Keep the children running until SIGTERM or SIGINT, then end them; a second signal kills them.

    Raises: SettingsError, once all have ended, where one says that it was given what cannot be.
    """
    stopping = asyncio.Event()
    tied = tied_to_us()
    keepers = [_Keeper(child, patience or RestartDelays(), stopping, tied) for child in children]

    def stop() -> None:
        if stopping.is_set():
            for keeper in keepers:
                keeper.kill()
        stopping.set()

    with at_each_stop_signal(stop):
        async with asyncio.TaskGroup() as group:
            for keeper in keepers:
                group.create_task(keeper.keep())
    for keeper in keepers:
        if keeper.hopeless is not None:
            raise SettingsError(f"{keeper.name}: {keeper.hopeless.removeprefix('error: ')}")


class _Keeper:
    """Runs one child again and again."""

    def __init__(
        self, child: Child, patience: RestartDelays, stopping: asyncio.Event, tied: Callable[[], None]
    ) -> None:
        self._child = child
        self.name = child.name
        self._patience = patience
        self._stopping = stopping
        self._tied = tied
        self._process: asyncio.subprocess.Process | None = None
        self._last_line = ""
        self.hopeless: str | None = None
        """Why it need not be started again, nor anything beside it; its last words."""

    async def keep(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            started_s = time.monotonic()
            code = await self._run()
            if self._stopping.is_set():
                return
            if code == CONFIGURATION:
                self.hopeless = self._last_line or why(code)
                self._stopping.set()
                return
            if code == HALTED:
                await self._stay_ended()
                return
            ran_s = time.monotonic() - started_s
            failures = 0 if ran_s >= self._patience.healthy_s else failures
            delay_s = self._patience.delay_s(failures)
            failures += 1
            log.warning(
                "a child ended and will be started again",
                child=self._child.name,
                why=why(code),
                last_words=self._last_line,
                ran_s=round(ran_s, 1),
                again_in_s=round(delay_s, 1),
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _stay_ended(self) -> None:
        """Start a halted child no more, and say so again and again: the others go on without it."""
        while not self._stopping.is_set():
            log.error(
                "a child has halted and is not started again: a person must look, then start everything again",
                child=self._child.name,
                last_words=self._last_line,
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._patience.remind_s)

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _run(self) -> int:
        """Run the child until it ends by itself or by our word, and return how it ended."""
        self._last_line = ""
        process = await asyncio.create_subprocess_exec(
            *self._child.argv,
            env={**os.environ, **self._child.env},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches it through us, once
            preexec_fn=self._tied,
        )
        self._process = process
        log.info("a child started", child=self._child.name, pid=process.pid)
        echo = asyncio.create_task(self._echo(process))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await self._end(process, ended)
        code = await ended
        with suppress(TimeoutError):  # a grandchild may hold the pipe open
            await asyncio.wait_for(echo, 1)
        return code

    async def _end(self, process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({ended}, timeout=self._patience.end_s)
        if not ended.done():
            log.warning("a child does not end and is killed", child=self._child.name, pid=process.pid)
            self.kill()

    async def _echo(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what the child says, and keep its last words."""
        assert process.stderr is not None
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while chunk := await process.stderr.read(65_536):
            text = several_lines(decoder.decode(chunk))
            sys.stderr.write(text)
            sys.stderr.flush()
            for line in text.splitlines():
                self._last_line = line.strip()[:300] or self._last_line


def why(code: int) -> str:
    """Describe how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def tied_to_us() -> Callable[[], None]:
    """Prepare what a child does before it becomes its program: on Linux it dies when we do, even by kill -9."""
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def tie() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # we died before the line above
            os._exit(1)

    return tie
