"""Policies come and go; operators pause and resume."""

from pipeline.messages.entries import NftPosition, Pause
from pipeline.messages.events import Paused, Resumed
from pipeline.shard import Shard
from pipeline.wants import followed_pools


def apply_policy(shard: Shard) -> None:
    """Let go of the NFTs whose pool no book uses any more."""
    pools = followed_pools(shard.tables)
    entries = shard.tables.entries().items()
    unfollowed = {key for key, value in entries if isinstance(value, NftPosition) and value.pool not in pools}
    shard.tables.forget(unfollowed.__contains__)
    shard.drop_live()


def operate(shard: Shard, event: Paused | Resumed) -> None:
    """Keep or end an operator's pause; `routes` has noted what a resume wants read."""
    pause = None
    if isinstance(event, Paused):
        pause = Pause(reason=event.reason, by=event.by, cancels=event.cancels)
    shard.tables.put(f"pause/{event.scope}", pause)
    shard.drop_live()
