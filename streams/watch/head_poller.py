"""Poll the node for its newest block, once for all shards, or say why it does not answer."""

import asyncio
import time
from collections.abc import Callable

import structlog

from pipeline.errors import NodeError
from pipeline.units import ChainId
from streams.node.head_hints import HeadHints
from streams.node.port import Header, Node
from streams.node.right_chain import check_chain
from streams.watch.clock_lag import ClockLag
from streams.watch.standstill import ChainSeen, Trouble, trouble_after
from streams.watch.timing import Timing, retry_delay_s

log = structlog.get_logger(__name__)


class HeadPoller:
    """Asks the node for its newest block at intervals."""

    def __init__(
        self,
        node: Node,
        chain_id: ChainId,
        *,
        timing: Timing,
        clock: Callable[[], float],
        lag: ClockLag,
        hints: HeadHints | None = None,
    ) -> None:
        """Start without having seen a block."""
        self._lag, self._hints = lag, hints
        self._node = node
        self._chain_id = chain_id
        self._timing = timing
        self._clock = clock
        self._newest: Header | None = None
        self._trouble: Trouble | None = Trouble("the node was not asked yet", clock())
        self._rounds = 0
        self._looked = asyncio.Condition()

    def view(self) -> ChainSeen:
        """Return the newest block seen."""
        return ChainSeen(newest=self._newest, trouble=self._trouble, late=self._lag.late)

    async def after(self, rounds: int) -> int:
        """Wait until the node was asked more than this many times. Returns how many times it was."""
        async with self._looked:
            await self._looked.wait_for(lambda: self._rounds > rounds)
            return self._rounds

    async def run_until_cancelled(self) -> None:
        """Poll until cancelled. Raises: SettingsError if the node follows another chain."""
        failures = 0
        while True:
            try:
                if self._trouble is not None:  # at first, and after each silence: who answers may be another
                    await self._check_chain()
                newest = await self._node.newest()
                await self._lag.look(newest)
                self._note(newest)
                failures = 0
            except NodeError as error:
                failures += 1
                self._trouble = trouble_after(self._trouble if failures > 1 else None, error, self._clock())
                log.warning("the node does not answer", error=str(error), failures=failures)
            async with self._looked:
                self._rounds += 1
                self._looked.notify_all()
            await self._pause(failures)

    async def _pause(self, failures: int) -> None:
        """Wait until the next poll: longer where the node announces new blocks, which end the wait."""
        if failures:
            await asyncio.sleep(retry_delay_s(self._timing, failures - 1))
        elif self._hints is not None and self._hints.is_heard:
            await asyncio.sleep(self._timing.hinted_poll_s)
            await self._hints.wait(max(self._timing.poll_s, self._timing.unhinted_poll_s))
        else:
            await asyncio.sleep(self._timing.poll_s)

    def _note(self, newest: Header) -> None:
        self._newest = newest
        self._trouble = None

    async def _check_chain(self) -> None:
        check_chain(await self._node.chain_id(), self._chain_id)


async def await_chain(node: Node, chain_id: ChainId, timing: Timing) -> None:
    """Ask a node until it answers. Raises: SettingsError if it follows another chain.

    After the time in which a standstill is told, go on without its answer: who is begun can tell of it.
    """
    began_s = time.monotonic()
    failures = 0
    while time.monotonic() - began_s < timing.stall_after_s:
        try:
            check_chain(await node.chain_id(), chain_id)
        except NodeError as error:
            failures += 1
            log.warning("the node does not answer, nothing is begun", error=str(error), failures=failures)
            await asyncio.sleep(retry_delay_s(timing, failures - 1))
        else:
            return
