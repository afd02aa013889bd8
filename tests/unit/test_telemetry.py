import io
import json
import logging

import pytest
import structlog

from streams import redaction
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
