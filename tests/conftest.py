"""Fixtures that check that tests leave nothing behind, and the order of test files in a shared run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from streams import redaction

# a busy machine takes longer over an example than a quiet one: that says nothing about the code
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(autouse=True)
def no_secret_outlives_its_test() -> Iterator[None]:
    """Forget the secrets of a test at its end, so that they do not hide text in another's errors."""
    yield
    redaction._known.clear()


LONGEST_FIRST = tuple(
    Path(__file__).with_name(folder) / file
    for folder, file in (
        ("chaos", "test_each_fault.py"),
        ("integration", "test_submit_house.py"),
        ("chaos", "test_ends.py"),
        ("integration", "test_submit.py"),
        ("integration", "test_watch.py"),
        ("integration", "test_kafka_roles.py"),
        ("integration", "test_v3_exactness.py"),
        ("integration", "test_kafka_security.py"),
    )
)
SLOW_FOLDERS = ("chaos", "integration", "adversary")
"""What takes minutes: begun last, it would run on alone."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let processes that share a run take the longest files first, then other slow ones; else the order is random."""
    if hasattr(config, "workerinput"):
        assert all(file.exists() for file in LONGEST_FIRST), "the longest files are named here"
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.path in LONGEST_FIRST:
        return LONGEST_FIRST.index(item.path)
    is_slow = item.path.parent.name in SLOW_FOLDERS
    return len(LONGEST_FIRST) + (0 if is_slow else 1)
