"""Split a record of a run of quiet blocks into its blocks, and find which of them extend a head."""

from pipeline import keys
from pipeline.messages.base import BlockRef
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.entries import HighestHead
from pipeline.messages.events import AnyEvent, BlockSeen, BlocksPassed
from pipeline.state.tables import Tables
from pipeline.units import BlockNumber, Hash


def block_of(run: BlocksPassed, place: int) -> BlockRef:
    """Return one block of a run, counted from 0."""
    block = run.blocks[place]
    return BlockRef(
        number=BlockNumber(run.first + place),
        hash=block.hash,
        parent_hash=_hash_before(run, place),
        timestamp_s=block.timestamp_s,
    )


def seen_of(run: BlocksPassed, place: int) -> BlockSeen:
    """Return the record that one block of a run would have had on its own."""
    return BlockSeen(
        term=run.term,
        block=block_of(run, place),
        base_fee_wei=run.blocks[place].base_fee_wei,
        logs=(),
        reads=run.reads,
        native_checksum=run.native_checksum,
    )


def seen_at(event: AnyEvent, number: BlockNumber) -> BlockSeen | None:
    """Return what a record says of the block at a height, also where the record is a run; None where it says nothing of it."""
    if isinstance(event, BlockSeen):
        return event if event.block.number == number else None
    if isinstance(event, BlocksPassed) and 0 <= number - event.first < len(event.blocks):
        return seen_of(event, number - event.first)
    return None


def place_in_run(tables: Tables, run: BlocksPassed) -> int | None:
    """Return the place in a run of the first block that extends the head; the run's length where all are known, None where none attaches."""
    head, count = tables.head, len(run.blocks)
    if head is None:
        return None
    place = head.number + 1 - run.first
    if 0 <= place <= count and _hash_before(run, place) == head.hash:
        return place
    last = run.first + count - 1
    is_known = last <= head.number and tables.branch_hash(BlockNumber(last)) == _hash_before(run, count)
    return count if is_known else None


def kept_from(tables: Tables, run: BlocksPassed, chain: ChainProfile) -> int:
    """Return the height of the lowest block that a rewind can still take away after a run."""
    highest = tables.find(keys.HIGHEST, HighestHead)
    last = run.first + len(run.blocks) - 1
    return max(last, 0 if highest is None else highest.number) - chain.final_depth_blocks + 1


def _hash_before(run: BlocksPassed, place: int) -> Hash:
    return run.blocks[place - 1].hash if place else run.parent_hash
