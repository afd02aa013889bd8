"""Watchers and workers as real processes, each restarted when it ends, as a supervisor would."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import forked

from streams.devnet import processes
from streams.supervise import RestartDelays

_POLL_S = 0.05
_PATIENCE = RestartDelays(first_s=0.4, most_s=4.0, healthy_s=15.0)
_KEEPS = re.compile(r"keeps shards \[(.*)\]")
_ENTRY = Path(__file__).with_name("entry.py")


class Member:
    """One watcher or worker: its present process, and everything it has ever logged."""

    def __init__(self, kind: str, name: str, folder: Path, env: Mapping[str, str], *, hurried: bool) -> None:
        self.kind, self.name = kind, name
        self.log = folder / f"{name}.log"
        self.process: Popen[bytes] | None = None
        self.ends: list[int] = []
        """Exit codes, and minus the signal, of every process that ended while it should have run."""
        self.starts = 0
        self.shards: set[int] = set()
        """What a worker said last that it keeps."""
        self._folder = folder
        ours = [str(_ENTRY), kind, "hurried" if hurried else "usual"]
        self._argv = [sys.executable, *(["-m", "streams.cli", kind] if kind == "up" else ours)]
        self._env = {
            **env,
            "EVENKEEL_INSTANCE": name,
            "EVENKEEL_LOG_FORMAT": "json",
            "EVENKEEL_FOLDER": str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self.lines: list[dict[str, Any]] = []
        """What it has said and nobody has counted yet."""
        self._wanted = False
        self._keeping: asyncio.Task[None] | None = None
        self._read_to = 0

    # -------------------------------------------------------------- the process
    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def is_wanted(self) -> bool:
        """Whether it is started again when it ends."""
        return self._wanted

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Keep it running from here on."""
        self._wanted = True
        if self._keeping is None or self._keeping.done():
            self.process = None
            self._keeping = asyncio.create_task(self._keep())

    async def stop(self, *, within_s: float = 10.0) -> float:
        """Ask it to end in order, and wait. Returns how long that took."""
        self._wanted = False
        asked_s = time.monotonic()
        if self.is_running:
            self.signal(signal.SIGTERM)
            while self.is_running and time.monotonic() - asked_s < within_s:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
        took_s = time.monotonic() - asked_s
        await self.leave_for_dead()
        return took_s

    def retire(self) -> None:
        """Do not start it again once it ends."""
        self._wanted = False

    async def leave_for_dead(self) -> None:
        """Kill it and do not start it again."""
        self._wanted = False
        if self.is_running:
            self.signal(signal.SIGCONT)
            self.kill()
        if self._keeping is not None:
            await self._keeping

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def spawn_twin(self) -> Popen[bytes]:
        """Start a second process with the same name, which nobody keeps; one folder would not take it."""
        return self._spawn({"EVENKEEL_FOLDER": str(self._folder / "elsewhere")})

    def rss_bytes(self) -> int:
        """Tell how much memory it has in use; 0 if it does not run."""
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def _spawn(self, changes: Mapping[str, str]) -> Popen[bytes]:
        return forked.spawn(self._argv, folder=self._folder, log=self.log, env={**self._env, **changes})

    async def _keep(self) -> None:
        failures = 0
        while self._wanted:
            began_s = time.monotonic()
            self.read()
            self.shards = set()
            self.process = self._spawn({})
            self.starts += 1
            while self.process.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
            if not self._wanted:
                return
            self.ends.append(self.process.returncode)
            failures = 0 if time.monotonic() - began_s > _PATIENCE.healthy_s else failures
            again_s = time.monotonic() + _PATIENCE.delay_s(failures)
            failures += 1
            while self._wanted and time.monotonic() < again_s:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)

    # -------------------------------------------------------------- what it says
    def read(self) -> None:
        """Read what it has logged since the last time."""
        if not self.log.exists():
            return
        with self.log.open("rb") as log:
            log.seek(self._read_to)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._read_to += len(line)
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:  # what Python and the command line say themselves
            said = line.decode(errors="replace")
        self.lines.append(said if isinstance(said, dict) else {"message": str(said)})
        keeps = _KEEPS.search(str(self.lines[-1].get("message")))
        if keeps is not None:
            self.shards = {int(number) for number in re.findall(r"\d+", keeps[1])}

    def last_lines(self, count: int = 12) -> str:
        return processes.last_lines(self.log, count)
