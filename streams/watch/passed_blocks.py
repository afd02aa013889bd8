"""Put consecutive quiet blocks into one record."""

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from pipeline.messages.events import BlockSeen, BlocksPassed, PassedBlock
from pipeline.messages.read_values import NativeBalance

_FEWEST = 8
"""Blocks of one record of several: at the head each block has its own."""


def in_runs(events: Sequence[BlockSeen]) -> Iterator[BlockSeen | BlocksPassed]:
    """Join each run of consecutive blocks in which nothing happened and all reads are the same into one record."""
    run: list[BlockSeen] = []
    for event in events:
        if run and not _is_alike(run[0], event):
            yield from _told(run)
            run = []
        run.append(event)
    yield from _told(run)


def _is_alike(first: BlockSeen, event: BlockSeen) -> bool:
    return (
        _is_quiet(first)
        and _is_quiet(event)
        and first.reads == event.reads
        and first.native_checksum == event.native_checksum
    )


def _is_quiet(event: BlockSeen) -> bool:
    """Return whether a block has neither logs nor receipts for the shard, and has changed no native balance."""
    changes_coin = any(isinstance(each, NativeBalance) for each in event.reads)
    return not (event.logs or event.receipts or changes_coin or event.native_checksum is UNSET)


def _told(run: Sequence[BlockSeen]) -> Iterator[BlockSeen | BlocksPassed]:
    if len(run) < _FEWEST:
        yield from run
        return
    first = run[0]
    assert first.native_checksum is not UNSET
    yield BlocksPassed(
        term=first.term,
        first=first.block.number,
        parent_hash=first.block.parent_hash,
        blocks=tuple(
            PassedBlock(
                hash=event.block.hash,
                timestamp_s=event.block.timestamp_s,
                base_fee_wei=event.base_fee_wei,
            )
            for event in run
        ),
        reads=first.reads,
        native_checksum=first.native_checksum,
    )
