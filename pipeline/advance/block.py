"""A block that attaches: its logs move pools, positions and balances, then every book is judged."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.books import judge_book
from pipeline.advance.gifts import tell_gifts
from pipeline.advance.turn import Turn
from pipeline.decode import decode
from pipeline.messages.base import Output
from pipeline.messages.decisions import Quarantined, ShardHalted
from pipeline.messages.entries import Halted
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import ChainProfile
from pipeline.moment import Moment
from pipeline.policies import policies
from pipeline.quarantine import quarantined
from pipeline.shard import Shard
from pipeline.show import show_swaps
from pipeline.track import FailedItems, track
from pipeline.venues.registry import venues_of


def advance_block(shard: Shard, event: BlockSeen, chain: ChainProfile, now: Moment) -> tuple[Output, ...]:
    """Take a block in, quiet or not: it is also the passage of time."""
    items = FailedItems(shard)
    blocks = [venue.begin_block(shard, items, event) for venue in venues_of(chain)]
    tracked = track(shard, event, blocks, items, decode(event.logs, blocks))
    outputs: list[Output] = [
        *show_swaps(shard, tracked, now),
        *quarantine_alerts(tracked.quarantined, now),
        *tell_gifts(shard, event, chain, now),
    ]
    for policy in policies(shard.tables):
        turn = Turn(shard=shard, policy=policy, block=event.block, base_fee_wei=event.base_fee_wei, now=now)
        outputs += judge_book(turn, tracked)
    outputs += halt_if_too_many(shard, chain, now)
    return tuple(outputs)


def quarantine_alerts(failed: dict[str, str], now: Moment) -> Iterator[Quarantined]:
    """Tell which items stopped at this record, and why."""
    for item, reason in sorted(failed.items()):
        yield Quarantined(**now.stamp("alert", item, action="quarantine"), item=item, reason=reason)


def halt_if_too_many(shard: Shard, chain: ChainProfile, now: Moment) -> Iterator[ShardHalted]:
    """Stop the shard once more items failed than could be chance."""
    held = quarantined(shard.tables)
    if len(held) > chain.max_quarantined:
        reason = f"{len(held)} items in quarantine, more than {chain.max_quarantined}"
        shard.tables.put(keys.HALTED, Halted(reason=reason))
        yield ShardHalted(**now.stamp("alert", keys.SHARD), reason=reason)
