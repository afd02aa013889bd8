"""What every test leaves as it found it."""

from collections.abc import Iterator

import pytest

from streams import redaction


@pytest.fixture(autouse=True)
def no_secret_outlives_its_test() -> Iterator[None]:
    """A password of one test must not blank a word of another's error."""
    yield
    redaction._known.clear()
