"""Listen for new blocks over a websocket: a hint to ask for the newest block, of which nothing is believed."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp
import structlog

from streams.backoff import backoff_s
from streams.redaction import node_name

log = structlog.get_logger(__name__)

_SUBSCRIBES = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
SILENCE_S = 60.0
"""Without any word of a block, where nothing is known of how often the chain has one."""
_SILENT_BLOCKS, _LEAST_SILENCE_S = 3, 10.0
_MOST_BYTES = 1 << 20
_CONNECT_S = 10.0
_FIRST_S, _MOST_S = 1.0, 60.0


def silence_s(block_ms: int | None) -> float:
    """Return how long a node may be silent: the time of three blocks, and 10 s at least."""
    return SILENCE_S if block_ms is None else max(_LEAST_SILENCE_S, _SILENT_BLOCKS * block_ms / 1_000)


class HeadHints:
    """Listens to one node's announcements of blocks, and reconnects after too long a silence, the only sign of a frozen node."""

    def __init__(self, url: str, *, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Set a ws(s) URL, which may hold a key: it is shown nowhere."""
        self._url, self._silence_s, self._clock = url, silence_s, clock
        self._name = node_name(url)
        self._news = asyncio.Event()
        self._heard_at_s: float | None = None

    @property
    def is_heard(self) -> bool:
        """Return whether a block was announced within the allowed silence."""
        return self._heard_at_s is not None and self._clock() - self._heard_at_s < self._silence_s

    async def wait(self, most_s: float) -> None:
        """Wait for an announcement of a block, at most for a number of seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._news.wait()
        self._news.clear()

    async def run_until_cancelled(self) -> None:
        """Listen until cancelled; each error is logged, and followed by another attempt."""
        failures = 0
        while True:
            began_s, why = self._clock(), "closed"
            try:
                async with aiohttp.ClientSession() as session:
                    await self._listen(session)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                # not its text, which may hold the URL
                why = "silent" if isinstance(error, TimeoutError) else type(error).__name__
            log.warning("the websocket for new blocks is reconnected", node=self._name, why=why)
            was_heard = self._heard_at_s is not None and self._heard_at_s >= began_s
            failures = 0 if was_heard else failures + 1
            await asyncio.sleep(backoff_s(failures, first_s=_FIRST_S, most_s=_MOST_S))

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        """Subscribe, and take announcements until the node closes. Raises: TimeoutError where it is silent."""
        async with asyncio.timeout(_CONNECT_S):
            socket = await session.ws_connect(self._url, max_msg_size=_MOST_BYTES)
        async with socket:
            await socket.send_json(_SUBSCRIBES)
            while True:
                async with asyncio.timeout(self._silence_s):
                    word = await socket.receive()
                if word.type is not aiohttp.WSMsgType.TEXT:
                    return
                if '"eth_subscription"' in word.data:
                    self._heard_at_s = self._clock()
                    self._news.set()
