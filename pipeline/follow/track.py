"""Step 2: apply facts to pools, positions and balances, exactly; an item whose facts contradict it is set apart.

Nothing is written before the block's last log: an item that raises simply keeps its former value.
"""

from collections.abc import Iterable, Iterator, Sequence

from pipeline import keys
from pipeline.book.inventory import Tracked
from pipeline.errors import MalformedLogError
from pipeline.follow.decode import Decoded
from pipeline.follow.quarantine import quarantined
from pipeline.messages.entries import Mined, Quarantine
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Unreadable
from pipeline.state.resumes import resumes
from pipeline.state.shard import Shard
from pipeline.venues.port import VenueBlock


class FailedItems:
    """The items that fail within one block, and those that were in quarantine before."""

    def __init__(self, shard: Shard) -> None:
        """Start from the items in quarantine."""
        self.reasons: dict[str, str] = {}
        """The reasons by item that fails within this block."""
        self.held = quarantined(shard.tables)
        """The quarantines by item that was in quarantine before."""

    def is_closed(self, item: str) -> bool:
        """Return whether an item must not be updated, because of this block or of an earlier one."""
        return item in self.reasons or item in self.held

    def failed(self, item: str) -> bool:
        """Return whether an item fails within this block."""
        return item in self.reasons

    def fail(self, item: str, reason: str) -> None:
        """Put an item in quarantine; the first reason within a block holds."""
        self.reasons.setdefault(item, reason)

    def take_failed(self, kind: str) -> Iterator[tuple[str, str]]:
        """Remove the failures of one kind and return them, for a venue that fails other items in their place."""
        for item in [each for each in self.reasons if keys.family(each) == kind]:
            yield item, self.reasons.pop(item)


def track(
    shard: Shard,
    event: BlockSeen,
    blocks: Sequence[VenueBlock],
    items: FailedItems,
    decoded: Iterable[Decoded],
) -> Tracked:
    """Apply a block's facts and reads, then write the results; which items fail follows from the log alone."""
    for block, log, fact in decoded:
        if (items.reasons or items.held) and items.is_closed(block.item_of(log)):
            continue
        try:
            # of every log: cheaper than `isinstance`, which looks at all its bases
            if type(fact) is Unreadable:
                raise MalformedLogError(fact.reason)  # noqa: TRY301 - handled like any other failure
            block.apply(log, fact)
        except Exception as error:  # noqa: BLE001 - whatever a step raises, only its item stops
            items.fail(block.item_of(log), f"{type(error).__name__}: {error}")
    if items.reasons:
        for block in blocks:
            block.spread_failures()
    for block in blocks:
        block.write(event)
    if event.receipts:
        _write_receipts(shard, event)
    if items.reasons:
        _write_quarantine(shard, event, items)
    return Tracked(swaps=[swap for block in blocks for swap in block.swaps], quarantined=items.reasons)


def _write_receipts(shard: Shard, event: BlockSeen) -> None:
    """Store the receipts of the books' transactions."""
    for receipt in event.receipts:
        mined = Mined(
            succeeded=receipt.succeeded,
            gas_used=receipt.gas_used,
            effective_gas_price_wei=receipt.effective_gas_price_wei,
            at_block=event.block.number,
        )
        shard.tables.put(keys.receipt(receipt.transaction_hash), mined)


def _write_quarantine(shard: Shard, event: BlockSeen, items: FailedItems) -> None:
    for item, reason in items.reasons.items():
        held = Quarantine(reason=reason, at_block=event.block.number, resumed=resumes(shard.tables, item))
        shard.tables.put(keys.quarantine(item), held)
