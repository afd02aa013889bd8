"""Fold a shard's log into what it follows, and decide what becomes of each record; worker and watcher share it.

`follow` takes an event in: whether it attaches, what it undoes, what is followed from here on.
`wants` tells what must still be read, `interests` which logs of a block concern the shard.
Only entries named here are written: head, route/, policy/, writer, set-aside, resumed/, halted, gift/, adopted/.
Deleted are those of items, and the past prices, that no book uses any more.
"""

from enum import Enum, auto

import msgspec

from pipeline import keys
from pipeline.follow.due_reads import is_wanted
from pipeline.follow.named_items import named_items
from pipeline.follow.quiet_runs import block_of, kept_from, place_in_run
from pipeline.messages.arrivals import Adopted
from pipeline.messages.base import BlockRef
from pipeline.messages.entries import Halted, Resume, Route, SetAside, Writer
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksPassed,
    BlocksReverted,
    ObservationFailed,
    Observed,
    PolicyRemoved,
    PolicySet,
    PositionAdopted,
    Resumed,
    Watched,
    WriterStarted,
)
from pipeline.messages.policy import Policy
from pipeline.messages.prices import PriceRing
from pipeline.state.policies import policies, profile
from pipeline.state.resumes import resumes
from pipeline.state.tables import Tables
from pipeline.venues.port import Venue
from pipeline.venues.registry import check_venues, held_kinds, venue_of_read, venues, venues_of

_LONGEST_REASON = 500


class Arrival(Enum):
    """How a record counts for the shard: see `follow`."""

    APPLIES = auto()
    KNOWN = auto()
    """Already taken in: a lagging node, a second watcher, a repeated policy."""
    SET_ASIDE = auto()
    """A block that does not attach: nothing is decided until one does."""
    OUTDATED = auto()
    """Written by a watcher that has been replaced."""
    ELSEWHERE = auto()
    """A read at another block than the head, or a revert to above it."""
    HALTS = auto()
    """A reorg deeper than anything the shard can undo."""
    HALTED = auto()
    """The shard is halted: only operators are heard."""


class Followed(msgspec.Struct, frozen=True):
    """How an event counted, and the keys that a rewind wrote."""

    arrival: Arrival
    rewound: frozenset[str] = frozenset()


# ------------------------------------------------------------------ follow
def follow(tables: Tables, event: AnyEvent) -> Followed:
    """Apply one record of the shard's log, by the arrival table of docs/stream.md. Never raises.

    Whatever raises leaves no trace but that the shard is halted: for the worker and for the watcher alike.
    """
    tables.remember()
    return follow_within(tables, event)


def follow_within(tables: Tables, event: AnyEvent) -> Followed:
    """Apply one record, or one block of a record of several, so that the record's earlier writes can still be undone."""
    begun = tables.savepoint()
    try:
        return _follow(tables, event)
    except MemoryError:  # of the machine, not of the record
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record does, only its shard stops
        tables.undo(begun)
        return _halt(tables, why_halted(event, error))


def why_halted(event: AnyEvent, error: Exception) -> str:
    """Describe in one line which record a shard could not apply, and why."""
    return f"{type(event).__name__} could not be taken in: {type(error).__name__}: {error}"[:_LONGEST_REASON]


def _follow(tables: Tables, event: AnyEvent) -> Followed:
    why_not = why_ignored(tables, event)
    if why_not is not None:
        return Followed(why_not)
    match event:
        case BlockSeen() | BlocksPassed():
            return Followed(_follow_blocks(tables, event))
        case WriterStarted():
            return Followed(_follow_writer(tables, event))
        case BlocksReverted():
            return _follow_revert(tables, event)
        case Observed():
            return Followed(_follow_observation(tables, event))
        case ObservationFailed():
            return Followed(_at_head(tables, event.block))
        case PolicySet() | PolicyRemoved():
            return Followed(_follow_policy(tables, event))
        case Resumed():
            _follow_resumed(tables, event)
        case PositionAdopted():
            tables.put(keys.adopted(event.item), Adopted(ours=event.ours, reason=event.reason, by=event.by))
    return Followed(Arrival.APPLIES)


def why_ignored(tables: Tables, event: AnyEvent) -> Arrival | None:
    """Explain why a watcher's record is ignored: the watcher was replaced, or the shard is halted. None: it counts."""
    if type(event) is WriterStarted or not isinstance(event, Watched):
        return None
    writer = tables.find(keys.WRITER, Writer)
    if writer is None or event.term != writer.term:
        return Arrival.OUTDATED
    return Arrival.HALTED if tables.find(keys.HALTED, Halted) is not None else None


def _follow_writer(tables: Tables, event: WriterStarted) -> Arrival:
    """Follow the writer of the highest term; of equal terms the first in the log wins."""
    writer = tables.find(keys.WRITER, Writer)
    if writer is not None and event.term <= writer.term:
        return Arrival.OUTDATED
    tables.put(keys.WRITER, Writer(term=event.term, instance=event.instance))
    return Arrival.APPLIES


def _follow_blocks(tables: Tables, event: BlockSeen | BlocksPassed) -> Arrival:
    return _follow_block(tables, event) if isinstance(event, BlockSeen) else _follow_passed(tables, event)


def _follow_block(tables: Tables, event: BlockSeen) -> Arrival:
    head, chain = tables.head, profile(tables)
    if head is None or chain is None:
        return _set_aside(tables)
    if event.block.number <= head.number and tables.branch_hash(event.block.number) == event.block.hash:
        return Arrival.KNOWN
    if event.block.parent_hash != head.hash or event.block.number != head.number + 1:
        return _set_aside(tables)
    tables.put(keys.SET_ASIDE, None)
    tables.begin(event.block)
    tables.finalise(chain.final_depth_blocks)
    if event.logs:
        for venue in venues(tables):
            venue.follow_logs(tables, event)
    return Arrival.APPLIES


def _follow_passed(tables: Tables, event: BlocksPassed) -> Arrival:
    place, chain = place_in_run(tables, event), profile(tables)
    if place is None or chain is None:
        return _set_aside(tables)
    if place == len(event.blocks):
        return Arrival.KNOWN
    tables.put(keys.SET_ASIDE, None)
    blocks = [block_of(event, each) for each in range(place, len(event.blocks))]
    tables.pass_blocks(blocks, kept_from(tables, event, chain))
    tables.finalise(chain.final_depth_blocks)
    return Arrival.APPLIES


def _set_aside(tables: Tables) -> Arrival:
    before = tables.find(keys.SET_ASIDE, SetAside)
    tables.put(keys.SET_ASIDE, SetAside(count=1 + (before.count if before else 0)))
    return Arrival.SET_ASIDE


def _follow_revert(tables: Tables, event: BlocksReverted) -> Followed:
    head, to = tables.head, event.to
    if head is None or to.number > head.number:
        return Followed(Arrival.ELSEWHERE)
    if to.hash == head.hash:
        return Followed(Arrival.KNOWN)
    ours = tables.branch_hash(to.number)
    if tables.final_block() == (to.number, ours) and to.hash != ours:
        return _halt(
            tables, f"block {to.number} was final as {ours}, the node's chain has {to.hash} in its place"
        )
    if to.number == head.number or (ours is not None and ours != to.hash):
        return Followed(_set_aside(tables))
    if not tables.reaches(to.number):
        return _halt(tables, f"a reorg to block {to.number} is deeper than the shard can undo")
    return Followed(Arrival.APPLIES, frozenset(tables.rewind(to.number)))


def _halt(tables: Tables, reason: str) -> Followed:
    tables.put(keys.HALTED, Halted(reason=reason))
    return Followed(Arrival.HALTS)


def _at_head(tables: Tables, block: BlockRef) -> Arrival:
    head = tables.head
    return Arrival.APPLIES if head is not None and head.hash == block.hash else Arrival.ELSEWHERE


def _follow_observation(tables: Tables, event: Observed) -> Arrival:
    """Mark a wanted item as read. A read at a block other than the head is ignored."""
    if event.why == "check":
        return _at_head(tables, event.block)
    if not is_wanted(tables, event.item):
        return Arrival.KNOWN
    if tables.head is None:
        tables.begin(event.block)
    if _at_head(tables, event.block) is Arrival.ELSEWHERE:
        return Arrival.ELSEWHERE
    key = keys.route(event.item)
    before = tables.find(key, Route) or Route()
    read = msgspec.structs.replace(
        before,
        observed_at_block=event.block.number,
        why=event.why,
        repaired=resumes(tables, event.item),
    )
    tables.put(key, venue_of_read(tables, event).follow_read(tables, event, read))
    return Arrival.APPLIES


# ------------------------------------------------------------------ policies come and go
def _follow_policy(tables: Tables, event: PolicySet | PolicyRemoved) -> Arrival:
    book = event.policy.book if isinstance(event, PolicySet) else event.book
    before = tables.find(keys.policy(book), Policy)
    after = event.policy if isinstance(event, PolicySet) else None
    if before == after:
        return Arrival.KNOWN
    if after is not None:
        check_venues(after)
    tables.put(keys.policy(book), after)
    if not policies(tables):
        tables.empty_chain()
    elif before is not None:
        _forget_unused(tables, before)
    return Arrival.APPLIES


def _forget_unused(tables: Tables, before: Policy) -> None:
    """Delete what only the former policy needed; if it is named again, it must be read again.

    The book's own quarantine goes with it: the policy may have been its cause, and the next block judges the new one.
    """
    still = {item for policy in policies(tables) for item in named_items(policy)}
    unused = {item for item in named_items(before) if item not in still} | {keys.book(before.book)}
    of_venues, present = venues_of(before.chain), venues(tables)
    wanted = {ring for policy in policies(tables) for ring in policy.price_rings()}
    rings = set(before.price_rings()) - wanted
    tables.forget(
        lambda key: (
            _belongs_to(key, unused, of_venues)
            or _is_slot_of(key, rings)
            or _is_of_former(key, of_venues, present)
        )
    )


def _is_slot_of(key: str, rings: set[PriceRing]) -> bool:
    return keys.price.matches(key) and PriceRing.of(key) in rings


def _belongs_to(key: str, items: set[str], of_venues: tuple[Venue, ...]) -> bool:
    """Return whether an entry is about one of these items: `observation/P/i` about `pool/P`, `route/X` and `checked/X` about X."""
    family = keys.family(key)
    if family in keys.OF_AN_ITEM:
        return keys.item_of(key) in items
    if keys.skipped_checks.matches(key):
        return keys.pool_of(key) in {keys.item_of(item) for item in items}
    return any(venue.item_of_entry(key) in items for venue in of_venues)


def _is_of_former(key: str, former: tuple[Venue, ...], present: tuple[Venue, ...]) -> bool:
    """Return whether an entry is about an item of a venue that no profile has any more."""
    item = keys.item_of(key) if keys.family(key) in keys.OF_AN_ITEM else key
    return _claimed(item, former) and not _claimed(item, present)


def _claimed(item: str, of_venues: tuple[Venue, ...]) -> bool:
    return any(venue.item_of_entry(item) is not None for venue in of_venues)


# ------------------------------------------------------------------ operators
def _follow_resumed(tables: Tables, event: Resumed) -> None:
    """Record an operator's resume request; a resumed shard starts from nothing, as if it had never seen a block."""
    if event.scope == keys.SHARD:
        tables.put(keys.HALTED, None)
        tables.empty_chain()
    if keys.family(event.scope) in {*held_kinds(), keys.book.family}:
        count = 1 + resumes(tables, event.scope)
        resume = Resume(count=count, reason=event.reason, by=event.by)
        tables.put(keys.resumed(event.scope), resume)
