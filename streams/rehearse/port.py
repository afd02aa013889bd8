"""The port of a fork: a continuation of the chain from one block, which nobody else sees."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pipeline.messages.base import BlockRef
from pipeline.messages.dry_run import DryRunOutcome
from pipeline.messages.events import AnyEvent, BlockSeen
from pipeline.messages.outcomes import StallReason
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.tables import Tables
from pipeline.units import Address, Seconds, Wei
from pipeline.venues.due_read import DueRead


class NotTried(Exception):  # noqa: N818 - an answer, not an error of ours
    """Raised where a proposal cannot be tried, now or later."""

    def __init__(self, outcome: DryRunOutcome, reason: str, refusal: StallReason | None = None) -> None:
        """Set a reason for programs, a sentence for people, and the reason of a plan that may not begin."""
        super().__init__(f"{outcome}: {reason}")
        self.outcome: DryRunOutcome = outcome
        self.reason = reason
        self.refusal = refusal


class Fork(Protocol):
    """A possible continuation of the chain. It reports what signer and watcher would, and needs no key.

    Raises: NodeError where it does not answer.
    """

    @property
    def lent_wei(self) -> Wei:
        """How much coin the fork lent the owner for gas; reported balances leave it out."""
        ...

    async def as_live(self, tables: Tables, event: BlockSeen) -> BlockSeen:
        """Add to the record of the fork's first block what the watcher reads for live books only."""
        ...

    async def send(self, intent: SubmitTransaction) -> Sequence[AnyEvent]:
        """Send a transaction for the next block as its owner, or refuse it as a signer would; return which."""
        ...

    async def mine(self, tables: Tables) -> BlockSeen:
        """Mine the next block of what was sent, and return a shard's part of it."""
        ...

    async def read(self, tables: Tables, wants: Sequence[DueRead]) -> Sequence[AnyEvent]:
        """Read what a shard needs at the head."""
        ...


class Forks(Protocol):
    """Makes forks, one at a time."""

    def at(self, block: BlockRef, owner: Address, block_s: Seconds) -> AbstractAsyncContextManager[Fork]:
        """Fork the chain after a block, and discard the fork at the end.

        Raises: NotTried where the block is on no branch or its state is gone, NodeError.
        """
        ...
