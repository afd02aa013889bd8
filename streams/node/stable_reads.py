"""Read a state again until anvil was not changing it during the read.

While anvil makes a block, it answers questions about the state after the newest one from the state that it
is just changing. Older blocks are kept apart. Other nodes have no such moment and are asked as they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

import msgspec

from pipeline.units import Hash
from streams.node.answers import quantity
from streams.node.rpc import CallRefused, Rpc, granted, parsed

T = TypeVar("T")

_HASHES_ONLY = False
"""Of a block's transactions."""
_MAKING_S = 0.25
"""Making a block takes less: a newest block that has stood for longer was not about to be followed."""
_LOOK_AGAIN_S = 0.01


class _Latest(msgspec.Struct, frozen=True):
    hash: str


class _Pool(msgspec.Struct, frozen=True):
    pending: dict[str, dict[str, str]]
    """By sender and nonce, what a transaction does, in words."""


_LATEST = msgspec.json.Decoder(_Latest)
_POOL = msgspec.json.Decoder(_Pool)
_COUNT = msgspec.json.Decoder(str)


class Undisturbed:
    """Asks about state so that no block in the making shows in the answers."""

    def __init__(self, rpc: Rpc) -> None:
        """Start without knowing whether the node needs it; the first question finds out."""
        self._rpc = rpc
        self._needed: bool | None = None

    async def ask(self, blocks: Collection[Hash], question: Callable[[], Awaitable[T]]) -> T:
        """Ask about the state after blocks; again if the newest was among them while another was being made."""
        while await self.is_needed():
            newest = await self._newest()
            answer = await question()
            if newest not in blocks or await self._stands(newest):
                return answer
        return await question()

    async def is_needed(self) -> bool:
        """Return whether the node is an anvil; it is asked once. Raises: NodeError."""
        if self._needed is None:
            self._needed = await self._is_anvil()
        return self._needed

    async def _stands(self, newest: Hash) -> bool:
        """Return whether no pending transaction had been executed on top of the newest block."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _MAKING_S
        while True:
            waiting = await self._waiting()  # asked first: they wait until after their block is there
            is_executing = any(await self._count_already(waiting))
            if await self._newest() != newest:
                return False
            if not is_executing or loop.time() >= until_s:
                return True
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _newest(self) -> Hash:
        answer = await self._rpc.ask("eth_getBlockByNumber", "latest", _HASHES_ONLY)
        latest: _Latest = parsed(_LATEST, answer, "newest block")
        return Hash(latest.hash)

    async def _waiting(self) -> dict[str, int]:
        """Read the first pending nonce of each sender that has one."""
        pool: _Pool = parsed(_POOL, await self._rpc.ask("txpool_inspect"), "txpool_inspect")
        return {sender: min(map(int, nonces)) for sender, nonces in pool.pending.items() if nonces}

    async def _count_already(self, waiting: Mapping[str, int]) -> list[bool]:
        """Return whether any sender's first pending transaction counts as executed already."""
        counts = await self._rpc.ask_all(
            [("eth_getTransactionCount", (sender, "latest")) for sender in waiting]
        )
        return [
            quantity(parsed(_COUNT, granted(count), "eth_getTransactionCount")) > first
            for count, first in zip(counts, waiting.values(), strict=True)
        ]

    async def _is_anvil(self) -> bool:
        (version,) = await self._rpc.ask_all([("web3_clientVersion", ())])
        return not isinstance(version, CallRefused) and bytes(version).lower().startswith(b'"anvil')
