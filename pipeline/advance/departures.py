"""Report items that leave a live book by a transfer or a burn, with their value, and remember them for a while."""

from collections.abc import Iterator, Sequence

from pipeline import keys
from pipeline.advance.shard_views import Shown, route_writes
from pipeline.book.exposures import HeldItem
from pipeline.book.stock import worth
from pipeline.messages.arrivals import Departure
from pipeline.messages.base import TokenAmount
from pipeline.messages.decisions import PositionLeft
from pipeline.messages.entries import Route
from pipeline.messages.events import AnyEvent, BlockSeen
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.registry import held_kinds

_REMEMBERED_S = Seconds(30 * 24 * 60 * 60)


def report_departures(
    shard: Shard, event: AnyEvent, before: Shown, now: Provenance
) -> Iterator[PositionLeft]:
    """Report each non-empty item of a live book that a block gave another owner, or burned."""
    if not isinstance(event, BlockSeen):
        return
    _forget(shard, event)
    if before.route_writes == route_writes(shard):
        return  # nothing has come or gone
    for key, (views, policy, held) in sorted(before.by_item().items()):
        gone = views.departed(shard, event, policy, held) if policy.mode == "live" else None
        if gone is None:
            continue
        stock = before.books[policy.book].stock
        left = PositionLeft(
            **now.stamp("alert", key, action="left"),
            book=policy.book,
            item=key,
            to=gone.to,
            transaction_hash=gone.transaction_hash,
            amounts=_amounts(held),
            value_quote=None if stock is None else worth(stock, held),
        )
        _remember(shard, event, left)
        yield left


def _amounts(held: HeldItem) -> tuple[TokenAmount, ...]:
    found: dict[Address, int] = {}
    for row in held.exposures:
        found[row.token] = found.get(row.token, 0) + row.amount
    return tuple(TokenAmount(token=token, amount=RawAmount(amount)) for token, amount in found.items())


def departures_of(shard: Shard) -> Sequence[tuple[str, Departure]]:
    """List what left a shard's books recently, by the keys of the entries."""
    return shard.tables.of_family(
        keys.DEPARTURES,
        keys.departure.family,
        _collected,
        shard.tables,
    )


def _collected(tables: Tables) -> tuple[tuple[str, Departure], ...]:
    return tuple(
        each for kind in held_kinds() for each in tables.group(keys.departure.under(kind), Departure)
    )


def _remember(shard: Shard, event: BlockSeen, left: PositionLeft) -> None:
    """Keep the report for inventory views; it is in the chain part, so that a reorg undoes it."""
    departure = Departure(
        book=left.book,
        to=left.to,
        transaction_hash=left.transaction_hash,
        value_quote=left.value_quote,
        block=event.block,
    )
    if shard.tables.head == event.block:  # else the record was not applied
        shard.tables.put(keys.departure(left.item), departure)


def _forget(shard: Shard, event: BlockSeen) -> None:
    """Drop reports of items that have come back, whose book is gone, or that left long ago."""
    departures = departures_of(shard)
    if not departures or shard.tables.head != event.block:
        return
    owners = {policy.book: policy.owner for policy in policies(shard.tables)}
    for key, departure in departures:
        owner = owners.get(departure.book)
        age_s = event.block.timestamp_s - departure.block.timestamp_s
        is_back = _owner(shard, keys.item_of(key)) == owner
        if owner is None or is_back or age_s > _REMEMBERED_S:
            shard.tables.put(key, None)


def _owner(shard: Shard, item: str) -> Address | None:
    route = shard.tables.find(keys.route(item), Route)
    return None if route is None else route.owner
