"""Attacks on the connection to the broker: another server answers at its address."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from listener import HOST, listening
from pydantic import SecretStr

from pipeline.errors import AccessError
from pipeline.units import ChainId
from streams.kafka.access import KafkaAccess, Login
from streams.kafka.readers import reading
from streams.kafka.topics import check_topics

CANARY = "canary-password"
_API_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36
_SPOKEN = ((_API_VERSIONS, 0, 1), (_HANDSHAKE, 1, 1), (_AUTHENTICATE, 0, 0), (3, 0, 1))


class Impostor:
    """Speaks enough of Kafka to ask for a proof of the password, and does not know the password."""

    def __init__(self, mechanism: str, answer: Callable[[bytes], bytes]) -> None:
        self._mechanism, self._answer = mechanism, answer
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
                api, version, correlation, client = struct.unpack_from(">hhih", request)
                said = struct.pack(">i", correlation) + self._reply(api, version, request[10 + client :])
                writer.write(struct.pack(">i", len(said)) + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def _reply(self, api: int, version: int, body: bytes) -> bytes:
        if api == _API_VERSIONS:
            listed = b"".join(struct.pack(">hhh", *each) for each in _SPOKEN)
            return struct.pack(">hi", 0, len(_SPOKEN)) + listed + (struct.pack(">i", 0) if version else b"")
        if api == _HANDSHAKE:
            name = self._mechanism.encode()
            return struct.pack(">hih", 0, 1, len(name)) + name
        assert api == _AUTHENTICATE, api
        proof = body[4:]
        self.heard.append(proof)
        answer = self._answer(proof)
        return struct.pack(">hhi", 0, -1, len(answer)) + answer


@asynccontextmanager
async def answering(impostor: Impostor) -> AsyncIterator[str]:
    async with listening(impostor.serve) as port:
        yield f"{HOST}:{port}"


def made_up(proof: bytes) -> bytes:
    """Ask for a proof, and answer it with a signature that only who knows the password could make."""
    if proof.startswith(b"n,,"):
        nonce = proof.rpartition(b"r=")[2]
        return b"r=" + nonce + b"more,s=" + base64.b64encode(b"salt" * 4) + b",i=4096"
    return b"v=" + base64.b64encode(bytes(32))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("answer", [made_up, lambda _: b"e=other-error", lambda _: b"r=another nonce,s=,i=1"])
async def test_who_does_not_know_the_password_is_not_taken_for_the_broker(mechanism, answer):
    """With SCRAM both sides prove that they know it; a false broker would feed every reader its own log."""
    impostor = Impostor(mechanism, answer)
    async with answering(impostor) as address:
        kafka = KafkaAccess(address, login=Login(mechanism, "view", SecretStr(CANARY)))
        for using in (_reads, _looks):
            with pytest.raises(
                AccessError, match="cannot prove that it knows the password of user view"
            ) as caught:
                await using(kafka)
            assert CANARY not in str(caught.value)
    assert impostor.heard
    assert not any(CANARY.encode() in proof for proof in impostor.heard), "SCRAM never sends it"


async def _reads(kafka: KafkaAccess) -> None:
    async with asyncio.timeout(30), reading(kafka):
        pass


async def _looks(kafka: KafkaAccess) -> None:
    await check_topics(kafka, ChainId(1), 1)
