"""Work until SIGTERM or SIGINT asks for the end."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Work until it ends by itself, which may raise, until a signal comes, or until cancelled."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    running = asyncio.create_task(work)
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for task in (running, told):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
