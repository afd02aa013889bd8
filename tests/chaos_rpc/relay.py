"""A TCP relay to a local port that can be held back, so that a connection stays open in silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from listener import HOST, listening


class Relay:
    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self.frozen = asyncio.Event()
        """Nothing is passed on any more, in neither direction; connections are taken."""
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError):
            back, forth = await asyncio.open_connection(HOST, self._upstream)
            try:
                await asyncio.gather(self._pass(reader, forth), self._pass(back, writer))
            finally:
                forth.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            if not self.frozen.is_set():
                target.write(data)
                await target.drain()
        target.close()


@asynccontextmanager
async def relayed(upstream: int) -> AsyncIterator[Relay]:
    """Listen on a port of its own."""
    relay = Relay(upstream)
    async with listening(relay.serve) as relay.port:
        yield relay
