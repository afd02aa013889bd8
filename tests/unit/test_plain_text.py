"""Text of nodes, tokens and strangers is printed on a terminal as plain characters, whatever its source."""

import io
import json
import logging

import pytest
import structlog

from streams.cli.console import print_json, print_table, say
from streams.plain_text import json_line, one_line, several_lines
from streams.telemetry import configure_log

CLEAR = "\x1b[2J\x1b[H"
HOSTILE = {
    "an escape sequence": f"gas{CLEAR}ok",
    "a line of its own": "no\nINFO all is well",
    "a carriage return": "drained\rwell",
    "a C1 control": "a\x9b31mb",
    "a direction mark": "USD\u202eCDSU",
    "an isolate": "a\u2066b\u2069",
    "a letter that is not seen": "us\u200bdc",
    "a line separator": "a\u2028b",
    "a null": "a\x00b",
    "a bell": "a\x07b",
    "half a character": "a\udc9bb",
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def text(request) -> str:
    return request.param


def test_one_line_is_printable_and_keeps_every_letter(text):
    assert not text.isprintable()
    shown = one_line(text)
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == text


@pytest.mark.parametrize("plain", ["", "USDC", "Ω 3,000.5 €", "日本", "🙂"])
def test_what_is_printable_stays_as_it_is(plain):
    assert one_line(plain) == several_lines(plain) == json_line(plain) == plain


def test_several_lines_stay_lines(text):
    shown = several_lines(f"first\n{one_line(text)}")
    assert len(shown.split("\n")) == 2
    assert shown.replace("\n", "").isprintable()


def test_json_stays_the_same_value(text):
    shown = json_line(json.dumps(text, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == text


def test_a_table_a_sentence_and_json_show_it_as_letters(text, capsys):
    print_table("tokens", ["symbol"], [(text,)])
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert len(out.splitlines()) == 3
    say(text)
    assert all(line.isprintable() for line in capsys.readouterr().err.split("\n"))


def test_json_is_one_line_whatever_white_space_it_came_with(capsys):
    print_json('{"a":\n\n"1",\t"b": "\\u202e\u202e"}')
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.strip().isprintable()
    assert json.loads(out) == {"a": "1", "b": "\u202e\u202e"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "stream"), [("console", io.StringIO), ("console", Terminal), ("json", io.StringIO)]
)
def test_a_log_line_is_one_line_of_letters(text, kind, stream, log_as_before):
    written = stream()
    configure_log(kind, stream=written)
    structlog.get_logger("streams.node").warning("the node does not answer", error=text)
    logging.getLogger("aiokafka").error("%s", text)
    lines = written.getvalue().rstrip("\n").split("\n")
    assert len(lines) == 2
    assert CLEAR not in written.getvalue()
    assert "\nINFO" not in written.getvalue()
    if stream is io.StringIO:
        assert all(line.isprintable() for line in lines)


def test_no_line_of_a_traceback_looks_like_a_line_of_the_log(text, log_as_before):
    written = io.StringIO()
    configure_log("console", stream=written)
    try:
        int(text)
    except ValueError:
        structlog.get_logger("streams.node").exception("it failed")
    first, *rest = written.getvalue().rstrip("\n").split("\n")
    assert "it failed" in first
    assert rest
    assert all(line.startswith("  | ") or not line for line in rest)
    assert all(line.isprintable() for line in rest)


@pytest.fixture
def log_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
