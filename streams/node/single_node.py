"""Ask a single node, and keep its health as for several nodes."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pipeline.errors import NodeError
from pipeline.messages.processes import NodeSeen
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei
from streams.node.budget import NodeBudget
from streams.node.health import NodeHealth
from streams.node.port import AccountState, Body, BodyScope, CallToSimulate, Header, Node, SimulatedCall

T = TypeVar("T")


class OneNode:
    """`port.Node` over one node: its answers and errors unchanged, with its health recorded."""

    def __init__(
        self,
        name: str,
        node: Node,
        *,
        budget: NodeBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the node by the name that people see, with the budget that counts its questions."""
        self._name, self._node, self._budget, self._clock = name, node, budget, clock
        self.health = NodeHealth()

    async def chain_id(self) -> ChainId:
        """Ask which chain the node follows."""
        return await self._asked(self._node.chain_id())

    async def keeps_own_time(self) -> bool:
        """Return whether the node is an anvil."""
        return await self._asked(self._node.keeps_own_time())

    async def newest(self) -> Header:
        """Ask for the newest block."""
        header = await self._asked(self._node.newest())
        self.health.at(header, self._clock())
        return header

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        """Read blocks of the present branch by height."""
        return await self._asked(self._node.headers(numbers))

    async def header(self, block_hash: Hash) -> Header | None:
        """Read a block by hash, of any branch."""
        return await self._asked(self._node.header(block_hash))

    async def bodies(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        """Read the bodies of blocks by their hashes, or what a scope asks for of them."""
        return await self._asked(self._node.bodies(headers, scope))

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        return await self._asked(self._node.call(to, data, at))

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, given by hash."""
        return await self._asked(self._node.simulate(calls, at, time_s))

    async def simulate_by_override(self, calls: Sequence[CallToSimulate], at: Hash) -> list[SimulatedCall]:
        """Simulate calls in order where `simulate` is not supported."""
        return await self._asked(self._node.simulate_by_override(calls, at))

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Read native balances of accounts after blocks; None where the node no longer has the state."""
        return await self._asked(self._node.native_balances(questions))

    async def accounts(self, questions: Sequence[tuple[Address, Hash]]) -> list[AccountState | None]:
        """Read the state of accounts after blocks; None where the node no longer has it."""
        return await self._asked(self._node.accounts(questions))

    async def close(self) -> None:
        """Close the connections."""
        await self._node.close()

    def seen(self) -> tuple[NodeSeen, ...]:
        """Return the node's health; without another node it is never behind."""
        return (self.health.seen(self._name, self.health.head, self._budget),)

    async def _asked(self, answer: Awaitable[T]) -> T:
        """Wait for an answer, and record how long it took or why there is none. Raises: whatever the node raises."""
        began_s = self._clock()
        try:
            found = await answer
        except NodeError as error:
            self.health.failed(error, self._clock())
            raise
        self.health.answered(self._clock() - began_s)
        return found
