"""A broker that accepts a connection and does not answer: a waiting command says what it waits for, and is refused in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from listener import HOST, listening
from structlog.testing import capture_logs

from pipeline.errors import InfrastructureError
from streams.kafka import errors
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading

WAITS = "waits for the broker to answer"


@asynccontextmanager
async def silent_broker(hangs_up_after_s: float) -> AsyncIterator[KafkaAccess]:
    """Accept connections on a port, and close each without an answer after a time."""

    async def says_nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(hangs_up_after_s)

    async with listening(says_nothing) as port:
        yield KafkaAccess(f"{HOST}:{port}")


async def refused_with(kafka: KafkaAccess) -> list[str]:
    with capture_logs() as lines, pytest.raises(InfrastructureError, match=kafka.bootstrap):
        async with reading(kafka):
            raise AssertionError
    return [line["event"] for line in lines if line.get("broker") == kafka.bootstrap]


async def test_who_waits_for_a_silent_broker_is_told_once(monkeypatch):
    monkeypatch.setattr(errors, "_SAID_AFTER_S", 0.05)
    async with silent_broker(1.0) as kafka:
        assert await refused_with(kafka) == [WAITS]


async def test_a_broker_that_hangs_up_at_once_is_waited_for_in_silence(monkeypatch):
    monkeypatch.setattr(errors, "_SAID_AFTER_S", 60.0)
    async with silent_broker(0.0) as kafka:
        assert await refused_with(kafka) == []


async def test_nothing_is_said_once_a_client_has_started(monkeypatch):
    monkeypatch.setattr(errors, "_SAID_AFTER_S", 0.05)

    class Quick:
        async def start(self) -> None:
            """Start at once."""

    with capture_logs() as lines:
        await errors.started(Quick(), KafkaAccess("127.0.0.1:9"))
        await asyncio.sleep(0.2)
    assert lines == []


NEVER_S = 300.0
"""aiokafka itself would wait 40 s for each address: far longer than these tests, far shorter than a server here is silent."""


@pytest.fixture
def hurried(monkeypatch):
    """Wait a fraction of the usual times: a probe has half a second on loopback."""
    for name, seconds in {"_SAID_AFTER_S": 0.05, "_PROBED_AFTER_S": 0.1, "_PROBE_TIMEOUT_S": 0.5}.items():
        monkeypatch.setattr(errors, name, seconds)


def test_the_refusal_comes_after_twenty_seconds():
    assert (errors._PROBED_AFTER_S, errors._PROBE_TIMEOUT_S) == (10.0, 10.0)


@pytest.mark.timeout(30)
async def test_a_broker_that_stays_silent_is_refused(hurried):
    async with silent_broker(NEVER_S) as kafka:
        with pytest.raises(
            InfrastructureError, match=r"does not answer within 1 s: it is starting or too busy"
        ):
            async with reading(kafka):
                raise AssertionError


@pytest.mark.timeout(30)
async def test_a_silent_address_beside_one_that_nobody_answers_at_is_refused(hurried):
    async with silent_broker(NEVER_S) as kafka:
        with pytest.raises(InfrastructureError, match="does not answer within"):
            async with reading(KafkaAccess(f"{kafka.bootstrap},127.0.0.1:9")):
                raise AssertionError


class Slow:
    """Takes a second to start."""

    has_started = False

    async def start(self) -> None:
        await asyncio.sleep(1.0)
        self.has_started = True


async def test_who_starts_slowly_at_a_broker_that_answers_has_its_time(hurried, monkeypatch):
    async def answered(address: str, kafka: KafkaAccess) -> None:
        """Answer."""

    monkeypatch.setattr(errors, "_probe", answered)
    client = Slow()
    await errors.started(client, KafkaAccess("127.0.0.1:9"))
    assert client.has_started


async def test_a_limit_of_the_callers_own_stays_the_callers(hurried):
    with pytest.raises(TimeoutError):
        async with silent_broker(NEVER_S) as kafka, asyncio.timeout(0.2):
            await errors.started(Slow(), kafka)
