"""NFTs that leave a live book by anybody's hand: told, with what they were worth."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.views import Shown
from pipeline.book import worth
from pipeline.messages.decisions import NftLeft
from pipeline.messages.entries import Route
from pipeline.messages.events import AnyEvent, BlockSeen
from pipeline.moment import Moment
from pipeline.shard import Shard
from pipeline.units import RawAmount


def tell_leavings(shard: Shard, event: AnyEvent, before: Shown, now: Moment) -> Iterator[NftLeft]:
    """Tell each NFT of a live book, not an empty one, that has another owner after a block than before, or none."""
    if not isinstance(event, BlockSeen):
        return
    for key, (policy, found) in sorted(before.positions.items()):
        route = shard.tables.find(keys.route(key), Route)
        to = None if route is None else route.owner
        if policy.mode != "live" or to == policy.owner:
            continue
        known = before.books.get(policy.book)
        yield NftLeft(
            **now.stamp("alert", key, action="left"),
            book=policy.book,
            item=key,
            to=to,
            amount0=RawAmount(found.principal0 + found.fees0),
            amount1=RawAmount(found.principal1 + found.fees1),
            value_quote=None if known is None else worth(policy, known[1], found),
        )
