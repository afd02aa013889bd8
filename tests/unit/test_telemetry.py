import io
import json
import logging
import re

import pytest
import structlog

from streams import redaction
from streams.kafka.broker_lines import BrokerLines
from streams.telemetry import configure_log

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
URL = "https://user:canary-pass@node.example/v3/canary0123456789canary?key=canary-query"


@pytest.fixture(autouse=True)
def log_as_before(monkeypatch):
    monkeypatch.setattr(redaction, "_known", set())
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ask_node() -> None:
    secret_local = KEY
    raise ValueError(f"{URL} answered 401 to 0x{secret_local}")


def say_everything() -> None:
    log = structlog.get_logger("streams.node")
    log.info("connected", url=URL, nested={"key": f"0x{KEY}"})
    logging.getLogger("aiokafka.conn").error("cannot reach %s", URL)
    try:
        ask_node()
    except ValueError:
        log.exception("the node said no")
        logging.getLogger("faust").exception("from a library")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
@pytest.mark.parametrize("log_format", ["auto", "console", "json"])
def test_no_canary_gets_into_the_log(log_format, stream):
    written = stream()
    configure_log(log_format, "debug", stream=written)
    say_everything()
    lines = written.getvalue()
    assert "canary" not in lines
    assert KEY[8:] not in lines
    assert "node.example" in lines
    assert "ValueError" in lines


def test_elsewhere_than_on_a_terminal_each_line_is_json():
    written = io.StringIO()
    configure_log("auto", "info", stream=written, program="watch")
    say_everything()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert lines[0]["message"] == "connected"
    assert {line["program"] for line in lines} == {"watch"}
    assert lines[0]["level"] == "info"
    assert lines[0]["logger"] == "streams.node"
    assert lines[1]["logger"] == "aiokafka.conn"
    assert "Traceback" in lines[2]["exception"]


def test_a_library_is_heard_when_it_warns():
    written = io.StringIO()
    configure_log("json", "info", stream=written)
    logging.getLogger("aiokafka.group").info("chatter")
    logging.getLogger("aiokafka.group").warning("trouble")
    assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == ["trouble"]


def test_piped_lines_for_people_have_no_colours():
    written, terminal = io.StringIO(), Terminal()
    for stream in (written, terminal):
        configure_log("console", "info", stream=stream)
        structlog.get_logger("x").info("hello")
    assert "\x1b[" not in written.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_a_lost_broker_is_one_line_at_once_and_one_every_30_s():
    at_s = [100.0]
    lines = BrokerLines(lambda: at_s[0])

    def passes(name: str, message: str, level: int = logging.ERROR) -> str | None:
        record = logging.LogRecord(name, level, "", 0, message, (), None)
        return record.getMessage() if lines.filter(record) else None

    lost = "Unable connect to node with id 1: [Errno 111] Connect call failed ('127.0.0.1', 9092)"
    assert passes("aiokafka", lost) == f"the broker does not answer: {lost}"
    for at_s[0] in (100.1, 115.0, 129.9):
        assert passes("aiokafka", lost) is None
        assert (
            passes("aiokafka.consumer.fetcher", "Failed fetch messages from 1: NodeNotReadyError: x") is None
        )
        assert passes("faust.app", "KafkaConnectionError('gone')") is None
    assert passes("aiokafka.conn", "Sending username and password in the clear") is not None
    assert passes("streams.work.keepers", "no answer: KafkaConnectionError") is not None
    at_s[0] = 130.0
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, lost, (), None)
    assert lines.filter(record)
    assert record.left_out == 9


def test_a_traceback_of_a_lost_broker_is_no_traceback():
    error = ConnectionError("NodeNotReadyError: node 1")
    why = (type(error), error, None)
    record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "Unexpected", (), why)
    assert BrokerLines().filter(record)
    assert record.exc_info is None


def test_every_library_is_heard_through_the_one_that_thins(capsys):
    written = io.StringIO()
    configure_log("json", "info", stream=written)
    for _ in range(1_000):
        logging.getLogger("aiokafka").error("Unable to update metadata from %s", [1])
        logging.getLogger("faust").error("something else")
    assert written.getvalue().count("the broker does not answer") == 1
    assert written.getvalue().count("something else") == 1_000


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_honoured(monkeypatch, no_color, coloured):
    monkeypatch.setenv("NO_COLOR", no_color)
    written = Terminal()
    configure_log("console", "info", stream=written)
    structlog.get_logger("x").warning("it is so", why="that")
    assert ("\x1b[" in written.getvalue()) is coloured


def test_the_colours_of_the_log_are_readable_on_dark_and_on_light():
    written = Terminal()
    configure_log("console", "debug", stream=written)
    log = structlog.get_logger("streams.x")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("it is so", why="that", count=3, text="two words")
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", written.getvalue()))
    assert codes <= {"0", "1", "31", "35"}, "bold, red, magenta: no yellow, cyan, white or grey"
    assert "why\x1b[0m=that" in written.getvalue()
    assert "'two words'" in written.getvalue()
