"""One of the three processes, restarted whenever it ends, as a supervisor would."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

import forked
from chaos_sender.points import Process

from streams.devnet import processes

_ENTRY = Path(__file__).with_name("entry.py")
_POLL_S = 0.05
_AGAIN_S = 0.3


class Staff:
    """A watcher, a worker or a signer."""

    def __init__(self, kind: Process, folder: Path, env: Mapping[str, str], *arguments: str) -> None:
        self.kind = kind
        self.log = folder / f"{kind}.log"
        self.deaths = 0
        self.died_at_s = 0.0
        self.ends: list[int] = []
        self.process: Popen[bytes] | None = None
        self._folder = folder
        self._fuse = folder / f"{kind}.armed"
        self._argv = [sys.executable, str(_ENTRY), kind, *arguments]
        self._env = {
            **env,
            "FUSE": str(self._fuse),
            "EVENKEEL_INSTANCE": kind,
            "EVENKEEL_LOG_FORMAT": "json",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    def spawn(self) -> Popen[bytes]:
        """Start a process of this kind that nobody keeps."""
        return forked.spawn(self._argv, folder=self._folder, log=self.log, env=self._env)

    def arm(self, point: str) -> None:
        """Let it die when it comes to a point."""
        self._fuse.with_suffix(".fired").unlink(missing_ok=True)
        new = self._fuse.with_suffix(".new")
        new.write_text(point)
        new.rename(self._fuse)

    def disarm(self) -> None:
        self._fuse.unlink(missing_ok=True)

    @property
    def is_dead(self) -> bool:
        """Return whether the process died at the requested point."""
        return self._fuse.with_suffix(".fired").exists()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.process is not None:
                self.process.send_signal(number)

    async def leave(self) -> None:
        """Kill the process, and do not restart it until requested."""
        await self.end()
        self._keeping = None

    async def end(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
            self.process.wait()

    def last_words(self, count: int = 12) -> str:
        return "\n".join(line[-500:] for line in processes.last_lines(self.log, count).splitlines())

    async def _keep(self) -> None:
        while True:
            self.process = self.spawn()
            while self.process.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
            self.died_at_s = time.monotonic()
            self.deaths += 1
            self.ends.append(self.process.returncode)
            await asyncio.sleep(_AGAIN_S)
