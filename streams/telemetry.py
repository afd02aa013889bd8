"""Set up the log: readable lines on a terminal, JSON elsewhere, secrets removed from both."""

import logging
import os
import sys
from functools import partial
from typing import Any, Literal, TextIO

import structlog
from structlog.dev import Column, KeyValueColumnFormatter, LogLevelColumnFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from streams.kafka.broker_lines import BrokerLines
from streams.plain_text import json_line, one_line, several_lines
from streams.redaction import redact

LogFormat = Literal["auto", "console", "json"]

_CHATTY = ("aiokafka", "faust", "mode", "asyncio", "web3", "urllib3")
"""Libraries that report each step; heard from when they warn."""
_PLAIN, _BOLD, _RED, _MAGENTA = "\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[35m"
_MULTI_LINE = ("exception", "stack")


def configure_log(
    log_format: LogFormat = "auto", level: str = "info", *, stream: TextIO | None = None, program: str = ""
) -> None:
    """Send our log and that of every library through one chain, redaction last."""
    stream = stream or sys.stderr
    for_people = log_format == "console" or (log_format == "auto" and stream.isatty())
    before = _gathering(for_people=for_people)
    rendering = [*_rendering(for_people=for_people, colours=has_colours(stream)), _redact_line]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    handler.addFilter(BrokerLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    to_formatter = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, to_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    if program:
        structlog.contextvars.bind_contextvars(program=program)


def has_colours(stream: TextIO) -> bool:
    """Return whether a stream takes colours: a terminal does, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _gathering(*, for_people: bool) -> list[Processor]:
    """List what completes a line, ours or a library's, before it is written."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_people else "iso", utc=not for_people),
    ]


def _rendering(*, for_people: bool, colours: bool) -> list[Processor]:
    if for_people:  # tracebacks as text: rich ones print local variables, and a key may be among them
        return [
            structlog.processors.format_exc_info,
            _escape_values,
            structlog.dev.ConsoleRenderer(columns=_columns(colours=colours)),
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        lambda _, __, line: json_line(str(line)),
    ]


def _columns(*, colours: bool) -> list[Column]:
    """Lay a line for people out; its colours are readable on a dark and on a light terminal alike: none is pale."""
    bold, red, magenta, plain = (_BOLD, _RED, _MAGENTA, _PLAIN) if colours else ("", "", "", "")
    levels = dict.fromkeys(("debug", "info", "notset"), "") | dict.fromkeys(("warning", "warn"), magenta)
    levels |= dict.fromkeys(("error", "critical", "exception"), f"{red}{bold}")
    value = partial(KeyValueColumnFormatter, reset_style=plain, value_repr=str)
    return [
        Column("timestamp", value(key_style=None, value_style="")),
        Column("level", LogLevelColumnFormatter(levels, reset_style=plain)),
        Column("event", value(key_style=None, value_style=bold)),
        Column("logger", value(key_style=None, value_style="", prefix="[", postfix="]")),
        Column("", KeyValueColumnFormatter(magenta, "", plain, _shown_value)),
    ]


def _shown_value(value: object) -> str:
    """Quote a text only where spaces would run it into the next value."""
    return value if isinstance(value, str) and value and set(value).isdisjoint(' ="') else repr(value)


def _escape_values(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Let no value of a line clear the screen or begin a line of its own; those of a traceback are marked."""
    for name, value in fields.items():
        if name in _MULTI_LINE:
            fields[name] = "  | " + several_lines(str(value)).replace("\n", "\n  | ")
        elif isinstance(value, str):
            fields[name] = one_line(value)
    return fields


def _redact_line(_: WrappedLogger, __: str, line: EventDict) -> Any:
    """Take the whole rendered line, exception included: whatever a library puts in, comes by here."""
    return redact(str(line))
