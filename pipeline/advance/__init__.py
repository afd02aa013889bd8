"""The one composition of the pipeline's steps: workers, replays and checks all run `advance`.

follow -> decode -> track -> for each book: assess -> take_stock -> settle, plan, guard -> judge -> show
"""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.block import advance_block
from pipeline.advance.departures import report_departures
from pipeline.advance.dry_runs import apply_dry_run
from pipeline.advance.endings import NO_ENDING, end_plans, ending
from pipeline.advance.operators import apply_policy, operate, quarantined_before, released
from pipeline.advance.order_settlements import apply_order_statement
from pipeline.advance.passed_blocks import advance_run
from pipeline.advance.publish_views import changed_views, changed_views_if_possible
from pipeline.advance.reads import apply_read, check_elsewhere
from pipeline.advance.reorg import rewind
from pipeline.advance.reports import apply_report
from pipeline.advance.shard_views import shown_before
from pipeline.follow.quiet_runs import block_of
from pipeline.follow.routes import Arrival, Followed, follow_within, why_halted
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.decisions import BlockSetAside, ChainStalled, ReadFailed, RecordPassedOver, ShardHalted
from pipeline.messages.entries import Halted, PassedRecord, SetAside
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksPassed,
    BlocksReverted,
    CancellationSigned,
    Dropped,
    DryRunEnded,
    HeadStalled,
    IntentRefused,
    ObservationFailed,
    Observed,
    OrderEndSaid,
    Paused,
    PolicyRemoved,
    PolicySet,
    Resumed,
    Sent,
    Signed,
    Simulated,
)
from pipeline.state.policies import profile
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import ChainId, Offset, PoolId

__all__ = ["advance", "give_up", "pass_unreadable"]


def advance(shard: Shard, offset: Offset, event: AnyEvent) -> tuple[Output, ...]:
    """Apply one event of the shard's log and return its outputs, in order. Never raises.

    Steps that raise end their item or their book. Whatever else raises halts the shard: see `give_up`.
    """
    shard.tables.remember()
    if type(event) is BlocksPassed:
        taken = advance_run(shard, event, lambda block: _take(shard, offset, block))
        if taken is not None:
            return taken
    return _take(shard, offset, event)


def _take(shard: Shard, offset: Offset, event: AnyEvent) -> tuple[Output, ...]:
    """Apply one event, or one block of a run. Never raises."""
    before, head, begun = shown_before(shard, event), shard.tables.head, shard.tables.savepoint()
    try:
        now, outputs = _advance(shard, offset, event)
        leavings = tuple(report_departures(shard, event, before, now))
        said = (*outputs, *leavings)
        return (*said, *changed_views(shard, event, before, now, said))
    except MemoryError:  # of the machine, not of the record
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record does, only its shard stops
        (halted,) = give_up(shard, offset, event, error, since=begun)
        return (halted, *changed_views_if_possible(shard, event, before, _provenance(shard, offset, head)))


def give_up(
    shard: Shard, offset: Offset, event: AnyEvent, error: Exception, *, since: int = 0
) -> tuple[ShardHalted]:
    """Halt the shard at a record that cannot be applied, and say why; an operator's `Resumed` skips it.

    What the record had written since a savepoint is taken back, but for what the watcher's fold of it writes too.
    """
    shard.tables.undo(since)
    shard.drop_working_copies()
    shard.rests.end_all()
    head = shard.tables.head
    follow_within(shard.tables, event)
    reason = why_halted(event, error)
    shard.tables.put(keys.HALTED, Halted(reason=reason))
    return (ShardHalted(**_provenance(shard, offset, head).stamp("alert", keys.SHARD), reason=reason),)


def pass_unreadable(shard: Shard, offset: Offset, record_type: str, word: PassedRecord) -> RecordPassedOver:
    """Record that a record was skipped unread, and at whose request, and publish it."""
    shard.tables.put(keys.passed(offset), word)
    stamp = _provenance(shard, offset, None, profile(shard.tables)).stamp(
        "alert", keys.SHARD, action="pass over"
    )
    return RecordPassedOver(
        **stamp, record_type=record_type, digest=word.digest, reason=word.reason, by=word.by
    )


def _provenance(
    shard: Shard, offset: Offset, head_before: BlockRef | None, chain: ChainProfile | None = None
) -> Provenance:
    """Return the provenance of a record that the shard has just followed, by its former head where it has none now."""
    chain = chain or profile(shard.tables)
    return Provenance(
        shard=shard.id,
        offset=offset,
        block=shard.tables.head or head_before,
        chain_id=chain.chain_id if chain else ChainId(0),
    )


def _advance(shard: Shard, offset: Offset, event: AnyEvent) -> tuple[Provenance, tuple[Output, ...]]:
    chain, head = profile(shard.tables), shard.tables.head
    ends, held = ending(shard, event), quarantined_before(shard, event)
    followed = follow_within(shard.tables, event)
    now = _provenance(shard, offset, head, chain)
    if followed.arrival is not Arrival.APPLIES:
        return now, _not_applied(shard, event, followed.arrival, now)
    ended = tuple(end_plans(shard, ends, now)) if ends is not NO_ENDING else ()
    applied = _applied(shard, event, followed, chain or profile(shard.tables), now, former=head)
    return now, (*ended, *applied, *released(shard, held, now)) if ended or held else applied


def _applied(
    shard: Shard,
    event: AnyEvent,
    followed: Followed,
    chain: ChainProfile | None,
    now: Provenance,
    *,
    former: BlockRef | None,
) -> tuple[Output, ...]:
    match event:
        case BlockSeen() if chain is not None:
            return advance_block(shard, event, chain, now, former=former)
        case BlocksReverted():
            return rewind(shard, event, followed.rewound, now)
        case Observed():
            return apply_read(shard, event, now)
        case ObservationFailed():
            stamp = now.stamp("alert", event.item, action=event.reason)
            return (ReadFailed(**stamp, item=event.item, reason=event.reason),)
        case HeadStalled():
            return (ChainStalled(**now.stamp("alert", "head"), age_s=event.age_s, cause=event.cause),)
        case PolicySet() | PolicyRemoved():
            apply_policy(shard)
        case Paused() | Resumed():
            operate(shard, event)
        case Simulated() | Signed() | Sent() | CancellationSigned() | IntentRefused() | Dropped():
            apply_report(shard, event)
        case OrderEndSaid() | DryRunEnded():
            return tuple(_taken(shard, event, now))
    return ()


def _taken(shard: Shard, event: OrderEndSaid | DryRunEnded, now: Provenance) -> Iterator[Output]:
    """Apply what others have found out beside the chain."""
    if isinstance(event, OrderEndSaid):
        yield from apply_order_statement(shard, event, now)
    else:
        yield from apply_dry_run(shard, event, now)


def _not_applied(shard: Shard, event: AnyEvent, arrival: Arrival, now: Provenance) -> tuple[Output, ...]:
    if arrival is Arrival.HALTS:
        halted = shard.tables.need(keys.HALTED, Halted)
        return (ShardHalted(**now.stamp("alert", keys.SHARD), reason=halted.reason),)
    match event:
        case BlockSeen() | BlocksPassed() | BlocksReverted() if arrival is Arrival.SET_ASIDE:
            return _set_aside(shard, event, now)
        case Observed(whole_pool=str() as pool) if arrival is Arrival.ELSEWHERE and event.why == "check":
            return check_elsewhere(shard, PoolId(pool), now)
    return ()


def _set_aside(
    shard: Shard, event: BlockSeen | BlocksPassed | BlocksReverted, now: Provenance
) -> tuple[Output, ...]:
    """Report the first record that does not attach; the entry counts the others."""
    if shard.tables.need(keys.SET_ASIDE, SetAside).count > 1:
        return ()
    match event:
        case BlockSeen():
            block = event.block
        case BlocksPassed():
            block = block_of(event, 0)
        case BlocksReverted():
            block = event.to
    return (BlockSetAside(**now.stamp("alert", block.hash), block=block, head=shard.tables.head),)
