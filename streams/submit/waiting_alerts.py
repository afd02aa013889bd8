"""Alert about transactions that no node takes: the reason, repeated when it changes and once a minute."""

import structlog

from pipeline.messages.base import BlockRef
from pipeline.units import Seconds
from streams.submit.send_errors import SendKind, SendOutcome

log = structlog.get_logger(__name__)

_SAY_AGAIN_S = 60
_FOR: dict[SendKind, str] = {
    "nonce_too_low": "the block that used its nonce",
    "funds": "coins for gas and value on the signer's account",
    "full": "room in the node's pool",
    "underpriced": "a higher offer at the next block, within the file's limits",
    "invalid": "its cancellation, as no node takes it",
    "busy": "a node that answers",
    "unclear": "a node that takes it",
}


class Waits:
    """What each nonce waits for, and when that was last reported. Times are the chain's."""

    def __init__(self) -> None:
        """Start without waits."""
        self._said: dict[int, tuple[SendKind, Seconds]] = {}

    def note(self, nonce: int, outcome: SendOutcome, head: BlockRef) -> None:
        """Describe what a nonce waits for, unless the same was reported within a minute."""
        kind, said_at_s = self._said.get(nonce, (None, Seconds(0)))
        if kind == outcome.kind and head.timestamp_s - said_at_s < _SAY_AGAIN_S:
            return
        self._said[nonce] = (outcome.kind, head.timestamp_s)
        log.warning("a transaction waits", nonce=nonce, waits_for=_FOR[outcome.kind], says=outcome.says)

    def ended(self, nonce: int) -> None:
        """Forget a nonce: a node has its transaction, or it is final."""
        self._said.pop(nonce, None)
