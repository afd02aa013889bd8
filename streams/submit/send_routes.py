"""Decide where signed bytes are sent: to the public mempool or to a private relay, and when from there to the public one.

The way is journalled with the bytes, before they are sent. What was signed to go privately goes publicly from its own
block on or never, whatever the file says by then; a process that has no relay any more keeps it to itself.
"""

import structlog
from msgspec.structs import replace

from pipeline.messages.base import BlockRef
from pipeline.messages.journal import Attempt, NonceBound
from pipeline.sign.gas_fees import is_public
from pipeline.units import BlockNumber, Hash
from streams.submit.node import SenderNode
from streams.submit.relay import Relay
from streams.submit.send_errors import SendOutcome

log = structlog.get_logger(__name__)


class SendRoutes:
    """Sends to public nodes, or to a private relay where the signer's file names one."""

    def __init__(
        self, node: SenderNode, relay: Relay | None = None, *, public_after_blocks: int | None = None
    ) -> None:
        """Set both; without a relay every new transaction is public."""
        self._node = node
        self._relay = relay
        self._public_after_blocks = public_after_blocks
        self._asked_to_forget: set[Hash] = set()

    def of_first(self, attempt: Attempt, head: BlockRef) -> Attempt:
        """Choose the route of a nonce's first bytes."""
        if self._relay is None:
            return attempt
        after = self._public_after_blocks
        public_from = None if after is None else BlockNumber(head.number + after)
        return replace(attempt, is_private=True, public_from_block=public_from)

    def of_next(self, attempt: Attempt, bound: NonceBound) -> Attempt:
        """Send a replacement with higher fees by the route of what it replaces. A cancellation is public: it reveals nothing."""
        before = bound.attempts[-1]
        if attempt.cancels:
            return attempt
        return replace(attempt, is_private=before.is_private, public_from_block=before.public_from_block)

    async def send(self, attempt: Attempt, head: BlockRef) -> SendOutcome:
        """Send bytes by the route that is journalled for them. Never raises."""
        if is_public(attempt, head):
            return await self._node.send(attempt.raw)
        if self._relay is None:
            return SendOutcome("busy", "signed to be sent privately, and the signer's file names no send_url")
        return await self._relay.send(attempt.raw, last_block=attempt.public_from_block)

    async def withdraw(self, bound: NonceBound) -> None:
        """Ask the relay, once per process, to drop what a cancellation is to replace. Never raises."""
        for attempt in bound.attempts:
            hash_ = attempt.transaction_hash
            if self._relay is None or not attempt.is_private or hash_ in self._asked_to_forget:
                continue
            self._asked_to_forget.add(hash_)
            says = await self._relay.forget(hash_)
            log.info("asked the relay to drop a transaction", nonce=bound.nonce, transaction=hash_, says=says)

    async def close(self) -> None:
        """Close the connection to the relay; the nodes are closed by whoever opened them."""
        if self._relay is not None:
            await self._relay.close()
