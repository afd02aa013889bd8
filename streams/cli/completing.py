"""Complete names in a shell: books of the portfolio file in the current folder, topics, and what can be paused."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline import keys
from pipeline.units import BookId
from streams.kafka.topics import TOPICS

_PORTFOLIO = Path("portfolio.yaml")
_BOOK = re.compile(r"^\s*(?:-\s+)?book:\s*[\"']?([a-z0-9][a-z0-9_-]*)", re.MULTILINE)


def books(incomplete: str) -> list[str]:
    """List the books of the file that begin so: no broker is asked while somebody types."""
    return [name for name in _books() if name.startswith(incomplete)]


def scopes(incomplete: str) -> list[str]:
    """List what `pause` and `resume` take of it: `all`, and each book as `book/ID`."""
    return [
        scope for scope in (keys.ALL, *(keys.book(name) for name in _books())) if scope.startswith(incomplete)
    ]


def topics(incomplete: str) -> list[str]:
    """List the topics that begin so, without their version."""
    names = [name.removesuffix(".v1") for name in TOPICS]
    return [name for name in names if name.startswith(incomplete)]


def _books() -> Iterator[BookId]:
    try:
        text = _PORTFOLIO.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    yield from map(BookId, dict.fromkeys(_BOOK.findall(text)))
