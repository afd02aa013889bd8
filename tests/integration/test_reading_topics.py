"""The recipes of docs/reading-topics.md on a real broker read the committed records and no others."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams.kafka.topics import BOOKS, DECISIONS

pytestmark = pytest.mark.kafka

PAGE = (Path(__file__).parents[2] / "docs" / "reading-topics.md").read_text(encoding="utf-8")
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
KCAT = re.findall(r"```sh kcat\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def told(desk):
    """A deployment where something is committed, and something else is not."""
    desk.create_topics()
    for shard in (0, 1):
        desk.commit(shard, (DECISIONS.name, f"book/{shard}", b'{"type":"Declined"}'))
    desk.commit(1, (DECISIONS.name, "book/1", b'{"type":"Aborted"}'), then="abort")
    desk.commit(2, (BOOKS.name, "book/2", b'{"type":"BookView"}'))
    desk.commit(2, (BOOKS.name, "book/2", b'{"type":"Aborted"}'), then="abort")
    return desk


def output_of(*command: str) -> list[str]:
    done = subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, timeout=120, check=True
    )
    return sorted(done.stdout.splitlines())


def test_the_python_recipe(told):
    assert output_of(sys.executable, "-c", PYTHON) == ["book/0\tDeclined", "book/1\tDeclined"]


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed here")
def test_the_kcat_recipes(told):
    decisions, views = (output_of("sh", "-c", recipe) for recipe in KCAT)
    assert decisions == ['{"type":"Declined"}'] * 2
    assert views == ['book/2 {"type":"BookView"}']
