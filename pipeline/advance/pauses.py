"""Refuse whatever a book would do during an operator's pause, or the pause that follows a liquidation."""

from pipeline import keys
from pipeline.decide.gates import Refused
from pipeline.messages.entries import Pause
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard


def refused_by_pause(shard: Shard, policy: Policy) -> Refused | None:
    """Return which pause stops a book: that of all books, or its own; None: none."""
    for scope in (keys.ALL, keys.book(policy.book)):
        pause = shard.tables.find(keys.pause(scope), Pause)
        if pause is not None:
            reason = "liquidated" if pause.is_for_liquidation else "paused"
            return Refused(gate="pause", reason=reason, item=scope)
    return None
