"""Keep the last log line of a process at level warning or above (error for Kafka's clients) for its heartbeat."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.units import Seconds
from streams.plain_text import one_line
from streams.redaction import redact

_MOST_CHARACTERS = 300
_LIBRARIES = ("aiokafka", "faust", "mode")
"""They warn of what they try again by themselves."""
_UNSAID = frozenset({"event", "level", "logger", "timestamp", "program", "exc_info", "stack_info"})


class Line(NamedTuple):
    """What was logged, and when."""

    text: str
    at_s: Seconds


class LastError(logging.Handler):
    """Keeps the last line, redacted, of all loggers but one."""

    def __init__(self, *, besides: str) -> None:
        """Keep nothing yet; the lines of the logger `besides` are left out."""
        super().__init__(logging.WARNING)
        self._besides = besides
        self.line: Line | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line. Never raises."""
        if record.name != self._besides and not _is_retried(record):
            try:
                self.keep(_text_of(record), int(record.created))
            except Exception:  # noqa: BLE001 - as logging does
                self.handleError(record)

    def keep(self, text: str, at_s: int) -> None:
        """Keep a text as the last error."""
        self.line = Line(one_line(redact(text))[:_MOST_CHARACTERS], Seconds(at_s))


def _is_retried(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR and record.name.partition(".")[0] in _LIBRARIES


def _text_of(record: logging.LogRecord) -> str:
    says: Any = record.msg
    text = " ".join(_parts(says)) if isinstance(says, Mapping) else record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    return text if error is None else f"{text}: {error!r}"


def _parts(event: Mapping[str, Any]) -> Iterator[str]:
    """Write a structured line as it reads on a terminal: the event, then each field."""
    yield str(event.get("event", ""))
    for name, value in event.items():
        if name not in _UNSAID and not name.startswith("_"):
            yield f"{name}={value}"
