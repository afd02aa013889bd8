"""Pause a live book whose account was liquidated, at a venue of any kind, until its operator resumes it."""

from pipeline import keys
from pipeline.messages.entries import Pause
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Hash

_BY = "evenkeel"


def pause_liquidated(shard: Shard, policy: Policy, event: BlockSeen, transaction_hash: Hash) -> None:
    """Pause a live book after a liquidation, unless an operator has paused it: theirs says more.

    The pause stays where the block goes away: what an operator has to look at is not taken back by a node.
    """
    if policy.mode != "live":
        return
    key = keys.pause(keys.book(policy.book))
    before = shard.tables.find(key, Pause)
    if before is None or before.is_for_liquidation:
        reason = f"liquidated at block {event.block.number} in transaction {transaction_hash}"
        shard.tables.put(key, Pause(reason=reason, by=_BY, is_for_liquidation=True))
