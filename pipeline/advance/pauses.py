"""Refuse whatever a book would do while an operator's pause, or one behind a liquidation, holds."""

from pipeline import keys
from pipeline.decide.gates import Refused
from pipeline.messages.entries import Pause
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard


def refused_by_pause(shard: Shard, policy: Policy) -> Refused | None:
    """Tell which pause stops a book: that of all books, or its own; None: none does."""
    for scope in (keys.ALL, keys.book(policy.book)):
        pause = shard.tables.find(keys.pause(scope), Pause)
        if pause is not None:
            reason = "liquidated" if pause.is_for_liquidation else "paused"
            return Refused(gate="pause", reason=reason, item=scope)
    return None
