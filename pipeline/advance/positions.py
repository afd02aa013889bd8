"""Views of NFTs: told when liquidity, owed or in/out changes, and every so many blocks."""

from collections.abc import Iterator

from pipeline.advance.assessed import assessed
from pipeline.book import own_positions
from pipeline.inventory import Tracked
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.entries import NftPosition, Pool
from pipeline.messages.policy import ChainProfile, Policy
from pipeline.moment import Moment
from pipeline.protocols.uniswap_v3 import in_range
from pipeline.shard import Shard
from pipeline.show import remove_position, show_position
from pipeline.wants import policies


def show_changed_positions(
    shard: Shard, block: BlockRef, tracked: Tracked, chain: ChainProfile, now: Moment
) -> Iterator[Output]:
    """Tell the NFTs that this block changed, or that it is time to tell again."""
    again = block.number % chain.report_every_blocks == 0
    shown: set[str] = set()
    for policy in policies(shard.tables):
        for key, position in own_positions(shard, policy):
            if again or key in tracked.positions_before or _crossed(shard, position, tracked):
                shown.add(key)
                yield from show_now(shard, policy, key, position, now)
    owners = {policy.owner for policy in policies(shard.tables)}
    for key, before in sorted(tracked.positions_before.items()):
        if before.owner in owners and key not in shown:
            yield remove_position(key, now)


def _crossed(shard: Shard, position: NftPosition, tracked: Tracked) -> bool:
    """Ask whether the block took the price into or out of an NFT's range."""
    before = tracked.ticks_before.get(position.pool)
    pool = shard.tables.find(f"pool/{position.pool}", Pool)
    if before is None or pool is None:
        return False
    lower, upper = position.tick_lower, position.tick_upper
    return in_range(before, lower, upper) != in_range(pool.tick, lower, upper)


def show_now(shard: Shard, policy: Policy, key: str, position: NftPosition, now: Moment) -> Iterator[Output]:
    """Tell an NFT as it is, or that it cannot be told: its book says why."""
    try:
        yield show_position(policy, assessed(shard, key, position), now)
    except Exception:  # noqa: BLE001 - its book tells why; the others go on
        yield remove_position(key, now)
