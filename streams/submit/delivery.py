"""Journal, report and send signed transactions, in this order, while the next one is judged."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple, Self

from pipeline.errors import NodeError
from streams.submit.journal_writer import JournalWriter
from streams.submit.node import SignerView


class ReadyToSend(NamedTuple):
    """A nonce whose first bytes are signed and not sent yet, with the head at which it was approved."""

    nonce: int
    look: SignerView


class Delivery:
    """Journals, reports and sends signed nonces, concurrently with what runs in its `async with`.

    What has been put while a round was under way shares the next round's commit. Leaving the block waits for the last round, and
    raises what failed there. An error in the block that ends the process, unlike a NodeError, ends the round under way too.
    """

    def __init__(
        self,
        writer: JournalWriter,
        offer: Callable[[ReadyToSend], Awaitable[bool]],
        *,
        journalled: Callable[[], None],
        reported: Callable[[], None],
    ) -> None:
        """Set `offer`, which sends a nonce and returns whether the node accepted it for the first time."""
        self._writer = writer
        self._offer = offer
        self._journalled = journalled
        self._reported = reported
        self._ready: list[ReadyToSend] = []
        self._rounds: asyncio.Task[None] | None = None

    def put(self, each: ReadyToSend) -> None:
        """Queue signed bytes, which the journal's writer has been given, behind earlier ones."""
        self._ready.append(each)
        if self._rounds is None or (self._rounds.done() and not self.has_failed):
            self._rounds = asyncio.create_task(self._deliver())

    @property
    def has_failed(self) -> bool:
        """Return whether an error has ended a round: nothing more is sent."""
        rounds = self._rounds
        return rounds is not None and rounds.done() and (rounds.cancelled() or rounds.exception() is not None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rounds, self._rounds = self._rounds, None
        if rounds is None:
            return
        if error is None or isinstance(error, NodeError):
            await rounds
        else:
            rounds.cancel()
            await asyncio.gather(rounds, return_exceptions=True)

    async def _deliver(self) -> None:
        is_to_report = False
        while self._ready or is_to_report:
            going, self._ready = self._ready, []
            await self._writer.commit()
            if going:
                self._journalled()
            await self._writer.report()  # without what was signed meanwhile: it is not journalled yet
            if is_to_report:
                self._reported()
            is_to_report = False
            for each in going:
                is_to_report |= await self._offer(each)
