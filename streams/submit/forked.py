"""Simulate an intent on a throw-away fork of the head, for a node that cannot simulate."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from pipeline.errors import BlockUnknownError, MethodMissingError, RequestRefusedError, SettingsError
from pipeline.units import Address, Hash, Seconds
from streams.node.budget import RateLimit
from streams.node.port import CallToSimulate, SimulatedCall
from streams.rehearse.fork import forked
from streams.submit.node import HttpSenderNode, SenderNode

log = structlog.get_logger(__name__)

_PROBE_GAS = 30_000

_FORK_TIMEOUT_S = 20.0


class ForkingSenderNode(HttpSenderNode):
    """A `SenderNode` that simulates on a local anvil where the node has no eth_simulateV1."""

    def __init__(
        self, url: str, *, timeout_s: float, program: Path | None, limit: RateLimit | None = None
    ) -> None:
        """Set the anvil program, if this machine has one; the fork's questions count towards the node's rate limit."""
        super().__init__(url, timeout_s=timeout_s, limit=limit)
        self._url = url
        self._program = program

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, on a fork where the node cannot.

        Raises: MethodMissingError where there is nothing to fork with either, NodeError.
        """
        try:
            return await super().simulate(calls, at, time_s)
        except RequestRefusedError as error:
            return await self._on_a_fork(calls, at, time_s, error)

    async def _on_a_fork(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds, error: RequestRefusedError
    ) -> list[SimulatedCall]:
        if self._program is None:
            raise MethodMissingError(f"{error}; and there is no anvil here to fork the chain with")
        header = await self.header(at)
        if header is None:
            raise BlockUnknownError(f"eth_getBlockByHash: the node does not know block {at}")
        log.warning("simulates on a fork", block=header.block.number, error=str(error))
        async with forked(
            self._program, self._url, header.block.number, timeout_s=_FORK_TIMEOUT_S, budget=self.budget
        ) as anvil:
            if (await anvil.newest()).block.hash != at:  # it copies by height
                raise BlockUnknownError(f"block {header.block.number} is another by now")
            return await anvil.simulate(calls, at, time_s)


async def check_simulation(node: SenderNode, signer: Address) -> None:
    """Check that intents can be simulated before they are signed.

    Raises: SettingsError where nothing here can run it, NodeError.
    """
    head = (await node.newest()).block
    call = CallToSimulate(sender=signer, to=signer, data="0x", gas_limit=_PROBE_GAS)
    try:
        await node.simulate([call], head.hash, Seconds(head.timestamp_s + 1))
    except MethodMissingError as error:
        raise SettingsError(
            f"no book of signer {signer} can be live, nothing can be simulated: {error}"
        ) from None
