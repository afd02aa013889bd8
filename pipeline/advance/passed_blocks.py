"""Apply a run of quiet blocks: skip those at which nothing can be published or written, apply each other one in full.

What comes of a run is what would come of its blocks one by one, entry by entry and output by output, but for the offset that outputs name.
"""

from collections.abc import Callable

from pipeline import keys
from pipeline.advance.departures import departures_of
from pipeline.advance.resting import end_rests
from pipeline.book.price_rings import writes_between
from pipeline.follow.quiet_runs import block_of, kept_from, place_in_run, seen_of
from pipeline.follow.routes import why_ignored
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.entries import Halted
from pipeline.messages.events import BlockSeen, BlocksPassed
from pipeline.state.policies import policies, profile
from pipeline.state.shard import Shard
from pipeline.venues.registry import venues

TakeBlock = Callable[[BlockSeen], tuple[Output, ...]]


def advance_run(shard: Shard, event: BlocksPassed, take: TakeBlock) -> tuple[Output, ...] | None:
    """Bring a shard to the end of a run of quiet blocks; None where none of it applies.

    The first block that follows on the head is taken in whole, for what was written before it. Once the shard halts, the rest changes
    nothing.
    """
    tables, chain = shard.tables, profile(shard.tables)
    place = place_in_run(tables, event)
    if place is None or place == len(event.blocks) or chain is None or why_ignored(tables, event) is not None:
        return None
    kept, outputs, passed = kept_from(tables, event, chain), list[Output](), list[BlockRef]()
    taken: BlockRef | None = None
    """The last block that was taken in whole, where blocks like it may be passed over."""
    for each in range(place, len(event.blocks)):
        block = block_of(event, each)
        if taken is not None and _says_nothing(shard, chain, taken, block):
            passed.append(block)
            continue
        tables.pass_blocks(passed, kept)
        passed = []
        outputs += take(seen_of(event, each))
        if tables.find(keys.HALTED, Halted) is not None:
            return tuple(outputs)
        taken = None if _each_block_counts(shard) else block
    tables.pass_blocks(passed, kept)
    tables.finalise(chain.final_depth_blocks)
    return tuple(outputs)


def _says_nothing(shard: Shard, chain: ChainProfile, taken: BlockRef, block: BlockRef) -> bool:
    """Return whether a block that differs from the last one only in hash, time and base fee changes nothing but the head."""
    end_rests(shard, block)
    return not (
        shard.rests.awake()
        or block.number % chain.report_every_blocks == 0
        or writes_between(shard.tables, policies(shard.tables), taken.timestamp_s, block.timestamp_s)
    )


def _each_block_counts(shard: Shard) -> bool:
    """Return whether a block's time alone changes an entry: departures are forgotten after a while, a venue may keep the time."""
    return bool(departures_of(shard)) or any(
        venue.writes_time(shard.tables) for venue in venues(shard.tables)
    )
