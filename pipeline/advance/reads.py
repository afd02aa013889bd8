"""Apply a read of the chain that arrives at the hash of the shard's head."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.follow.quarantine import quarantine
from pipeline.messages.base import Output
from pipeline.messages.decisions import ChecksSkipped, PoolDrifted, Quarantined, Released
from pipeline.messages.entries import Quarantine, SkippedChecks
from pipeline.messages.events import Observed
from pipeline.state.provenance import Provenance
from pipeline.state.resumes import resumes
from pipeline.state.shard import Shard
from pipeline.units import PoolId
from pipeline.venues.registry import venue_of_read

SKIPPED_CHECKS_ALERT = 3
SHOWN_DIFFERENCES = 8
_LONGEST_REASON = 500


def apply_read(shard: Shard, event: Observed, now: Provenance) -> tuple[Output, ...]:
    """Apply a first or repairing read; compare a check with the state, and never repair by it.

    A read that cannot be taken in leaves no trace but its item's quarantine.
    """
    savepoint = shard.tables.savepoint()
    try:
        return _take_read(shard, event, now)
    except MemoryError:  # of the machine, not of the read
        raise
    except Exception as error:  # noqa: BLE001 - whatever a read says, only its item stops
        shard.tables.undo(savepoint)
        shard.drop_working_copies()
        return (_unusable(shard, event, error, now),)


def _unusable(shard: Shard, event: Observed, error: Exception, now: Provenance) -> Quarantined:
    item, reason = event.item, f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
    held = Quarantine(reason=reason, at_block=event.block.number, resumed=resumes(shard.tables, item))
    shard.tables.put(keys.quarantine(item), held)
    return Quarantined(**now.stamp("alert", item, action="quarantine"), item=item, reason=reason)


def _take_read(shard: Shard, event: Observed, now: Provenance) -> tuple[Output, ...]:
    if event.why == "check":
        return tuple(_check(shard, event, now))
    item = event.item
    shard.tables.put(keys.quarantine(item), None)
    venue_of_read(shard.tables, event).write_read(shard, event)
    if event.why == "repair":
        return (Released(**now.stamp("alert", item, action="release"), item=item),)
    return ()


def _check(shard: Shard, event: Observed, now: Provenance) -> Iterator[Output]:
    """Compare at the head; a difference quarantines the item."""
    item = event.item
    pool = event.whole_pool
    if pool is not None:
        shard.tables.put(keys.skipped_checks(pool), None)
    if quarantine(shard.tables, item) is not None:
        return
    found = venue_of_read(shard.tables, event).differences(shard, event)
    if not found:
        return
    if pool is not None:
        stamp = now.stamp("alert", item, action="drift")
        yield PoolDrifted(**stamp, pool=pool, differences=tuple(found[:SHOWN_DIFFERENCES]))
    reason = event.explain(found)
    shard.tables.put(
        keys.checked(item),
        Quarantine(reason=reason, at_block=event.block.number, resumed=resumes(shard.tables, item)),
    )
    yield Quarantined(**now.stamp("alert", item, action="quarantine"), item=item, reason=reason)


def check_elsewhere(shard: Shard, pool: PoolId, now: Provenance) -> tuple[Output, ...]:
    """Count a check that was made at another block; several in a row leave the pool unchecked."""
    key = keys.skipped_checks(pool)
    before = shard.tables.find(key, SkippedChecks)
    count = 1 + (before.count if before else 0)
    shard.tables.put(key, SkippedChecks(count=count))
    if count != SKIPPED_CHECKS_ALERT:
        return ()
    return (ChecksSkipped(**now.stamp("alert", key), pool=pool, count=count),)
