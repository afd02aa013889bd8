"""What every test leaves as it found it, and which tests of a shared run come first."""

from collections.abc import Iterator

import pytest

from streams import redaction


@pytest.fixture(autouse=True)
def no_secret_outlives_its_test() -> Iterator[None]:
    """A password of one test must not blank a word of another's error."""
    yield
    redaction._known.clear()


SLOWEST_FIRST = ("chaos", "integration", "adversary")
"""Folders whose files take minutes: begun last, one of them would run on alone."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let processes that share a run take the slow folders' files first, each folder's in random order."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return SLOWEST_FIRST.index(folder) if folder in SLOWEST_FIRST else len(SLOWEST_FIRST)
