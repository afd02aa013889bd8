"""Compute the present state of the books from what their shards have committed, all at one head."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from pipeline import keys
from pipeline.advance.books import stock_of, why_unknown
from pipeline.advance.departures import departures_of
from pipeline.book.exposures import HeldItem
from pipeline.book.inventory import Stock
from pipeline.book_view import show_book
from pipeline.decide.gates import Refused
from pipeline.decide.hedging import position_of
from pipeline.errors import MalformedRecordError, NewerRecordError, PipelineError
from pipeline.follow.quarantine import quarantined
from pipeline.messages.arrivals import Departure
from pipeline.messages.base import BlockRef, View
from pipeline.messages.entries import Halted, HealthWarning, Pause
from pipeline.messages.orders import Order, UnknownOrder
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import ChainId, Offset, ShardId
from pipeline.venues.port import VenueViews
from pipeline.venues.registry import kind_of, venues_of
from streams.human_numbers import factor_text
from streams.kafka.codec import decode_event
from streams.kafka.readers import Reader, Record
from streams.kafka.topics import EVENTS, shard_of
from streams.policy_rollout import policies_in_force
from streams.skipped_records import why_halted
from streams.verify import load_shard


class ShardNow(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard's committed state is, and whether it decides."""

    shard: Shard
    head: BlockRef | None
    cursor: Offset
    records_behind: int
    """Records of its log that no commit has taken in yet."""
    waiting_since_ms: int | None
    """When the broker took the oldest of those records, or, where there are none, the newest record of the log."""
    halted: str | None
    """Why; also where it stands before a record that cannot be read here."""


class PositionNow(NamedTuple):
    """A position of a book."""

    kind: str
    """Of its venue."""
    views: VenueViews
    held: HeldItem


class BookNow(msgspec.Struct, frozen=True, kw_only=True):
    """A book at its shard's head; `stock` is None where the inventory is not known, and `marks` say why."""

    policy: Policy
    at: ShardNow
    stock: Stock | None
    positions: tuple[PositionNow, ...]
    """Those that have or are owed anything."""
    set_apart: tuple[str, ...]
    """Items of the owner that the book does without, such as `position/M/id`."""
    left: tuple[tuple[str, Departure], ...]
    """What was transferred out of the book or burned lately, by item, the last one first."""
    marks: tuple[str, ...]

    def view(self) -> BookView | None:
        """Make the view that the shard publishes, at the present head."""
        return (
            None if self.stock is None else show_book(self.at.shard, self.policy, self.stock, self._moment())
        )

    def position_views(self) -> list[View]:
        """Make a view of each position that still has or is owed something."""
        now = self._moment()
        return [each.views.show_item(self.policy, each.held, now) for each in self.positions]

    def _moment(self) -> Provenance:
        return Provenance(
            shard=self.at.shard.id,
            offset=self.at.cursor,
            block=self.at.head,
            chain_id=self.policy.chain.chain_id,
        )


async def shards_now(reader: Reader, chain_id: ChainId, partitions: int) -> list[ShardNow]:
    """Load every shard's committed state, and where its log ends. Raises: InfrastructureError."""
    return [await _shard_now(reader, chain_id, ShardId(number)) for number in range(partitions)]


async def books_now(reader: Reader, chain_id: ChainId, partitions: int) -> list[BookNow]:
    """Compute every book that is in force, also those that no worker has taken up. Raises: InfrastructureError."""
    return await books_of(reader, chain_id, await shards_now(reader, chain_id, partitions))


async def books_of(reader: Reader, chain_id: ChainId, shards: Sequence[ShardNow]) -> list[BookNow]:
    """Compute the books of all of a deployment's shards, which are loaded already. Raises: InfrastructureError."""
    found = {book.policy.book: book for each in shards for book in books_at(each)}
    for book, policy in (await policies_in_force(reader, chain_id)).items():
        if book not in found:
            at = shards[shard_of(book, len(shards))]
            says = "its shard has not taken it up yet: is `evenkeel work` running?"
            found[book] = BookNow(
                policy=policy, at=at, stock=None, positions=(), set_apart=(), left=(), marks=(says,)
            )
    return [found[book] for book in sorted(found)]


async def _shard_now(reader: Reader, chain_id: ChainId, number: ShardId) -> ShardNow:
    shard = await load_shard(reader, chain_id, number)
    cursor = shard.cursor
    (log,) = await reader.shards(EVENTS.on(chain_id), [number])
    _, end = (await reader.bounds([log]))[log]
    unread = await anext(reader.read_between(log, cursor + 1, end), None)
    newest = unread or await reader.record_at(log, cursor)
    halted = shard.tables.find(keys.HALTED, Halted)
    return ShardNow(
        shard=shard,
        head=shard.tables.head,
        cursor=cursor,
        records_behind=end - unread.offset if unread else 0,
        waiting_since_ms=newest.timestamp_ms if newest else None,
        halted=_why_unread(number, unread) if halted is None else halted.reason,
    )


def _why_unread(number: ShardId, unread: Record | None) -> str | None:
    """Explain why the next record of a shard's log is not taken in: nobody of this version can read it."""
    if unread is None:
        return None
    try:
        decode_event(unread.value or b"", where=unread.where)
    except MalformedRecordError:
        return None
    except NewerRecordError as error:
        return why_halted(number, Offset(unread.offset), error)
    return None


def books_at(at: ShardNow) -> Iterator[BookNow]:
    """Compute the books of one shard, at its head."""
    for policy in policies(at.shard.tables):
        unknown = why_unknown(at.shard, policy)
        marks = list(_marks(at, policy, unknown))
        stock: Stock | None = None
        positions: tuple[PositionNow, ...] = ()
        try:
            if unknown is None:
                stock = stock_of(at.shard, policy)
                positions = tuple(_shown(at.shard, policy))
        except PipelineError as error:
            marks.append(f"not known: {error}")
        apart = [
            item for venue in venues_of(policy.chain) for item in venue.set_apart(at.shard.tables, policy)
        ]
        yield BookNow(
            policy=policy,
            at=at,
            stock=stock,
            positions=positions,
            set_apart=tuple(apart),
            left=tuple(_left(at, policy)),
            marks=tuple(marks),
        )


def _shown(shard: Shard, policy: Policy) -> Iterator[PositionNow]:
    for venue in venues_of(policy.chain):
        if venue.views is not None:
            kind = kind_of(policy.chain, venue)
            for held in venue.views.shown_items(shard, policy):
                yield PositionNow(kind, venue.views, held)


def _left(at: ShardNow, policy: Policy) -> list[tuple[str, Departure]]:
    found = departures_of(at.shard)
    ours = [(keys.item_of(key), each) for key, each in found if each.book == policy.book]
    return sorted(ours, key=lambda each: each[1].block.number, reverse=True)


def _marks(at: ShardNow, policy: Policy, unknown: Refused | None) -> Iterator[str]:
    """Say whatever keeps a book from being decided on, or its numbers from being the present ones."""
    tables = at.shard.tables
    if at.halted is not None:
        yield f"shard {at.shard.id} is halted: {at.halted}"
    for scope in (keys.ALL, keys.book(policy.book)):
        pause = tables.find(keys.pause(scope), Pause)
        if pause is not None:
            yield f"paused ({scope}) by {pause.by}: {pause.reason}"
    low = tables.find(keys.warned(policy.book), HealthWarning)
    if low is not None:
        yield f"health factor below {factor_text(low.warn_bps)} since block {low.at.number}"
    order = _unknown_order(at, policy)
    if order is not None:
        yield (
            f"the chain does not say what became of order {order.number}: no other is made until it does, or `evenkeel settle` says so"
        )
    if unknown is not None:
        held = quarantined(tables).get(unknown.item or "")
        yield f"in quarantine: {unknown.item}: {held.reason}" if held else f"not read yet: {unknown.item}"


def _unknown_order(at: ShardNow, policy: Policy) -> Order | None:
    """Find the order of a book's hedge of which nothing is known; None where there is none, or the position is not known."""
    if not policy.hedge:
        return None
    try:
        order = position_of(at.shard, policy).order
    except PipelineError:
        return None
    return order if order is not None and isinstance(order.state, UnknownOrder) else None
