"""A broker that accepts a connection and is silent: whoever waits is told for what; nobody else is told anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from pipeline.errors import InfrastructureError
from streams.kafka import errors
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading

WAITS = "waits for the broker to answer"


@asynccontextmanager
async def silent_broker(hangs_up_after_s: float) -> AsyncIterator[KafkaAccess]:
    """Accept connections on a port, and close each without a word after a time."""

    async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(hangs_up_after_s)
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    async with server:
        yield KafkaAccess(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def refused_with(kafka: KafkaAccess) -> list[str]:
    with capture_logs() as lines, pytest.raises(InfrastructureError, match=kafka.bootstrap):
        async with reading(kafka):
            raise AssertionError
    return [line["event"] for line in lines if line.get("broker") == kafka.bootstrap]


async def test_who_waits_for_a_silent_broker_is_told_once(monkeypatch):
    monkeypatch.setattr(errors, "_SILENT_S", 0.05)
    async with silent_broker(1.0) as kafka:
        assert await refused_with(kafka) == [WAITS]


async def test_a_broker_that_hangs_up_at_once_is_waited_for_in_silence(monkeypatch):
    monkeypatch.setattr(errors, "_SILENT_S", 60.0)
    async with silent_broker(0.0) as kafka:
        assert await refused_with(kafka) == []


async def test_nothing_is_said_once_a_client_has_started(monkeypatch):
    monkeypatch.setattr(errors, "_SILENT_S", 0.05)

    class Quick:
        async def start(self) -> None:
            """Start at once."""

    with capture_logs() as lines:
        await errors.started(Quick(), KafkaAccess("127.0.0.1:9"))
        await asyncio.sleep(0.2)
    assert lines == []
