"""The port of a node, as the watcher needs it. `http_node.py` asks a real one, `fake.py` is one in memory."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The header of a block."""

    block: BlockRef
    base_fee_wei: Wei
    transactions: tuple[Hash, ...]
    logs_bloom: int
    receipts_root: Hash | None = None
    """What the header commits to; None where the node does not tell it."""
    is_bloom_proven: bool = False
    """Whether a log whose address and topics are not in the bloom is certainly not in the block: the bloom is part of what was hashed,
    and all of the block's logs are in it."""


class BodyScope(msgspec.Struct, frozen=True, kw_only=True):
    """The logs and receipts of a block that somebody follows: few of its hundreds."""

    emitters: frozenset[Address]
    """Contracts whose logs are kept."""
    senders: frozenset[Address]
    """Accounts whose transactions' receipts are kept."""

    def covers(self, other: "BodyScope") -> bool:
        """Return whether everything in another scope is in this one."""
        return self.emitters >= other.emitters and self.senders >= other.senders


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A block's receipts and logs, checked against its header."""

    logs: tuple[RawLog, ...]
    receipts: tuple[Receipt, ...]
    scope: BodyScope | None = None
    """Of these contracts' logs and these accounts' receipts it has all; None: it has every one of the block."""

    def covers(self, scope: BodyScope) -> bool:
        """Return whether nothing is missing that a scope asks for."""
        return self.scope is None or self.scope.covers(scope)

    def within(self, scope: BodyScope | None) -> "Body":
        """Return the part that a scope asks for; all of it for None."""
        if scope is None:
            return self
        return Body(
            logs=tuple(log for log in self.logs if log.address in scope.emitters),
            receipts=tuple(receipt for receipt in self.receipts if receipt.sender in scope.senders),
            scope=scope,
        )


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balance and nonce after a block."""

    wei: Wei
    nonce: int
    has_code: bool


class SimulatedLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log of a simulated call."""

    address: Address
    topics: tuple[str, ...]
    data: bytes


class SimulatedCall(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one of several calls, each made after the ones before it."""

    succeeded: bool
    returned: bytes
    """What it reverted with, where it did not succeed."""
    gas_used: int
    logs: tuple[SimulatedLog, ...]
    reason: str
    """The node's word on a failure, or empty."""


class CallToSimulate(msgspec.Struct, frozen=True, kw_only=True):
    """A call with its sender."""

    sender: Address
    to: Address
    data: str
    """0x-hex."""
    value_wei: Wei = Wei(0)
    gas_limit: int


class Node(Protocol):
    """A chain as one node shows it.

    A block the node does not know is None, never an empty one. Every question is bounded in time.
    Raises: NodeError where there is no answer, of the sort that says why.
    """

    async def chain_id(self) -> ChainId:
        """Ask which chain the node follows."""
        ...

    async def keeps_own_time(self) -> bool:
        """Return whether the node is an anvil, which makes blocks on command: their times need not be this machine's."""
        ...

    async def newest(self) -> Header:
        """Ask for the newest block."""
        ...

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        """Read blocks of the present branch by height."""
        ...

    async def header(self, block_hash: Hash) -> Header | None:
        """Read a block by hash, of any branch."""
        ...

    async def bodies(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        """Read the bodies of blocks by their hashes; only what a scope asks for is kept, None asks for all."""
        ...

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        ...

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, given by hash; the node's state does not change."""
        ...

    async def simulate_by_override(self, calls: Sequence[CallToSimulate], at: Hash) -> list[SimulatedCall]:
        """Simulate calls in order where `simulate` is not supported; gas and logs are not known then.

        A contract that sends does nothing else during these calls.
        """
        ...

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Read native balances of accounts after blocks; None where the node no longer has the state."""
        ...

    async def accounts(self, questions: Sequence[tuple[Address, Hash]]) -> list[AccountState | None]:
        """Read the state of accounts after blocks; None where the node no longer has it."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
