"""Policies come and go; operators pause and resume."""

from collections.abc import Iterator

from pipeline.book import own_positions
from pipeline.messages.base import Output
from pipeline.messages.entries import NftPosition, Pause
from pipeline.messages.events import Paused, PolicyRemoved, PolicySet, Resumed
from pipeline.moment import Moment
from pipeline.shard import Shard
from pipeline.show import remove_book, remove_position, show_pools
from pipeline.wants import followed_pools, policies


def shown_positions(shard: Shard) -> frozenset[str]:
    """Collect the NFTs that the shard's books have now."""
    books = policies(shard.tables)
    return frozenset(key for policy in books for key, _ in own_positions(shard, policy))


def apply_policy(
    shard: Shard, event: PolicySet | PolicyRemoved, shown: frozenset[str], now: Moment
) -> tuple[Output, ...]:
    """Let go of what no book uses any more; a new publisher tells its pools at once."""
    pools = followed_pools(shard.tables)
    unfollowed = {key for key, position in _all_positions(shard) if position.pool not in pools}
    shard.tables.forget(unfollowed.__contains__)
    shard.drop_live()
    outputs: list[Output] = [remove_position(key, now) for key in sorted(shown - shown_positions(shard))]
    if isinstance(event, PolicySet):
        known = [pool for pool in event.policy.publishes if f"pool/{pool}" in shard.tables.entries()]
        outputs += show_pools(shard, known, now)
    else:
        outputs.append(remove_book(event.book, now))
    return tuple(outputs)


def _all_positions(shard: Shard) -> Iterator[tuple[str, NftPosition]]:
    for key, value in shard.tables.entries().items():
        if isinstance(value, NftPosition):
            yield key, value


def operate(shard: Shard, event: Paused | Resumed) -> tuple[Output, ...]:
    """Keep or end an operator's pause; `routes` has noted what a resume wants read."""
    pause = None
    if isinstance(event, Paused):
        pause = Pause(reason=event.reason, by=event.by, cancels=event.cancels)
    shard.tables.put(f"pause/{event.scope}", pause)
    shard.drop_live()
    return ()
