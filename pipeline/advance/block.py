"""Apply a block: its logs move pools, positions and balances, then every book that it concerns is judged."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.advance.books import judge_book
from pipeline.advance.busy_signer import end_signer_waits
from pipeline.advance.resting import end_rests
from pipeline.book.feeds import keep_answers
from pipeline.book.price_rings import keep_prices
from pipeline.book.sequencer import keep_uptime
from pipeline.follow.decode import decode
from pipeline.follow.quarantine import quarantined
from pipeline.follow.track import FailedItems, track
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.decisions import Quarantined, ShardHalted
from pipeline.messages.entries import Halted
from pipeline.messages.events import BlockSeen
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.venues.port import VenueBlock
from pipeline.venues.registry import venues


def advance_block(
    shard: Shard, event: BlockSeen, chain: ChainProfile, now: Provenance, *, former: BlockRef | None
) -> tuple[Output, ...]:
    """Apply a block, quiet or not: it also moves the clock. `former`: the one before, if the shard has one."""
    items, of_venues = FailedItems(shard), venues(shard.tables)
    blocks: list[VenueBlock] = [venue.begin_block(shard, items, event) for venue in of_venues]
    tracked = track(shard, event, blocks, items, decode(event.logs, blocks))
    books = policies(shard.tables)
    keep_answers(shard.tables, books, event)
    keep_uptime(shard.tables, books, event)
    keep_prices(shard, of_venues, books, event.block, items)
    outputs: list[Output] = []
    for venue, block in zip(of_venues, blocks, strict=True):
        if block.swaps and venue.views is not None:
            outputs += venue.views.show_swaps(shard, block.swaps, now)
    if tracked.quarantined:
        outputs += quarantine_alerts(tracked.quarantined, now)
    if event.logs:
        for venue in of_venues:
            outputs += venue.unsolicited(shard, event, now)
    if event.receipts:
        end_signer_waits(shard, books, event.receipts)
    end_rests(shard, event.block)
    for policy in shard.rests.awake():
        context = BookContext(
            shard=shard,
            policy=policy,
            block=event.block,
            base_fee_wei=event.base_fee_wei,
            now=now,
            former=former,
        )
        outputs += judge_book(context, tracked)
    outputs += halt_if_too_many(shard, chain, now)
    return tuple(outputs)


def quarantine_alerts(failed: dict[str, str], now: Provenance) -> Iterator[Quarantined]:
    """Return which items went into quarantine at this record, and why."""
    for item, reason in sorted(failed.items()):
        yield Quarantined(**now.stamp("alert", item, action="quarantine"), item=item, reason=reason)


def halt_if_too_many(shard: Shard, chain: ChainProfile, now: Provenance) -> Iterator[ShardHalted]:
    """Halt the shard once more items failed than could be coincidence."""
    held = quarantined(shard.tables)
    if len(held) > chain.max_quarantined:
        reason = f"{len(held)} items in quarantine, more than {chain.max_quarantined}"
        shard.tables.put(keys.HALTED, Halted(reason=reason))
        yield ShardHalted(**now.stamp("alert", keys.SHARD), reason=reason)
