"""A proxy to the broker for one worker, which can hold back connections one by one."""

import asyncio
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from streams.devnet.ports import HOST

_CHUNK_BYTES = 1 << 16


class Door:
    """Forwards the traffic of Kafka's clients and the broker; knows the clients by their ids."""

    def __init__(self, port: int, broker_port: int) -> None:
        self.port = port
        self.broker_port = broker_port
        self._shut: Callable[[str], bool] = lambda _: False
        self._opened = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._arrive, HOST, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    @contextmanager
    def shut(self, to: Callable[[str], bool] = lambda _: True) -> Iterator[None]:
        """Let nothing through to or from clients of some ids: they notice nothing but silence."""
        self._shut, self._opened = to, asyncio.Event()
        try:
            yield
        finally:
            self._shut = lambda _: False
            self._opened.set()

    async def _arrive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._passing.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, client = await _first_request(reader)
        there, back = await asyncio.open_connection(HOST, self.broker_port)
        try:
            back.write(first)
            passing = [
                asyncio.ensure_future(self._pass(client, reader, back)),
                asyncio.ensure_future(self._pass(client, there, writer)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in passing:
                    each.cancel()
                await asyncio.gather(*passing, return_exceptions=True)
        finally:
            back.close()

    async def _pass(self, client: str, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            while self._shut(client):
                await self._opened.wait()
            target.write(chunk)
            await target.drain()


async def _first_request(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """Read a connection's first request: size, api, version, correlation, then the client's id."""
    head = await reader.readexactly(4)
    body = await reader.readexactly(*struct.unpack(">i", head))
    (length,) = struct.unpack_from(">h", body, 8)
    return head + body, body[10 : 10 + max(length, 0)].decode(errors="replace")
