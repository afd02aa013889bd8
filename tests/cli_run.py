"""Run `evenkeel` in the test's own process, which saves the start of an interpreter per command."""

import gc
import json
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from streams.cli import main


@dataclass
class Done:
    """What a command left: its exit code, its answer, and what it said beside."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Done]


@contextmanager
def stop_signals_set_back() -> Iterator[None]:
    """Give the test's own process its handlers back, which a command keeps until its process has ended."""
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@pytest.fixture
def evenkeel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command as in a terminal, at a width if one is named; log and signals are set back at the end."""
    _free_what_is_left()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def run(*words: str, width: int | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["evenkeel", *words])
        if width is not None:
            monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())

    with stop_signals_set_back():
        yield run
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _free_what_is_left() -> None:
    """Free what earlier tests left: asyncio would report it within a command's output, and pytest as this test's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
