"""Reads that a local chain does not disturb.

While anvil makes a block, it answers questions about the state after the newest one from the state that it
is just changing. Older blocks are kept apart. Other nodes have no such moment and are asked as they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import msgspec

from pipeline.units import Hash
from streams.node.answers import quantity
from streams.node.rpc import CallRefused, Rpc, parsed

T = TypeVar("T")

_HASHES_ONLY = False
"""Of a block's transactions."""
_MAKING_S = 0.25
"""Making a block takes less: a newest block that stands for so long was not about to be followed."""
_LOOK_AGAIN_S = 0.01


class _Latest(msgspec.Struct, frozen=True):
    hash: str


class _Pool(msgspec.Struct, frozen=True):
    pending: str


_LATEST = msgspec.json.Decoder(_Latest)
_POOL = msgspec.json.Decoder(_Pool)


class Undisturbed:
    """Asks about state so that no block in the making shows in the answers."""

    def __init__(self, rpc: Rpc) -> None:
        """Find out at the first question whether the node needs it."""
        self._rpc = rpc
        self._needed: bool | None = None

    async def ask(self, blocks: Collection[Hash], question: Callable[[], Awaitable[T]]) -> T:
        """Ask about the state after blocks; again if the newest was among them and another was being made."""
        if self._needed is None:
            self._needed = await self._is_anvil()
        while self._needed:
            newest = await self._newest()
            answer = await question()
            if newest not in blocks or await self._stands(newest):
                return answer
        return await question()

    async def _stands(self, newest: Hash) -> bool:
        """Tell whether nothing was being made: nothing waits to be mined, or nothing came of it."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _MAKING_S
        while True:
            waits = await self._transactions_wait()  # asked first: they do until after their block is there
            if await self._newest() != newest:
                return False
            if not waits or loop.time() >= until_s:
                return True
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _newest(self) -> Hash:
        answer = await self._rpc.ask("eth_getBlockByNumber", "latest", _HASHES_ONLY)
        latest: _Latest = parsed(_LATEST, answer, "newest block")
        return Hash(latest.hash)

    async def _transactions_wait(self) -> bool:
        pool: _Pool = parsed(_POOL, await self._rpc.ask("txpool_status"), "txpool_status")
        return quantity(pool.pending) > 0

    async def _is_anvil(self) -> bool:
        (version,) = await self._rpc.ask_all([("web3_clientVersion", ())])
        return not isinstance(version, CallRefused) and bytes(version).lower().startswith(b'"anvil')
