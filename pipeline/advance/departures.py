"""NFTs that leave a live book by a transfer or a burn: reported with what they were worth, and remembered for a while."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.advance.views import Shown
from pipeline.book.stock import worth
from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.messages.decisions import NftLeft
from pipeline.messages.entries import Route
from pipeline.messages.events import AnyEvent, BlockSeen
from pipeline.messages.nfts import Departure
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import Address, Hash, Seconds
from pipeline.venues.uniswap_v3.assess import HeldNft
from pipeline.venues.wallet.token_logs import decode_nft_transfer

_DEPARTURES = keys.departure.under(keys.position.family)
_REMEMBERED_S = Seconds(30 * 24 * 60 * 60)


def tell_leavings(shard: Shard, event: AnyEvent, before: Shown, now: Provenance) -> Iterator[NftLeft]:
    """Report each NFT of a live book, not an empty one, that has another owner after a block than before, or none."""
    if not isinstance(event, BlockSeen):
        return
    _forget(shard, event)
    for key, (_, policy, held) in sorted(before.positions.items()):
        to = _owner(shard, key)
        if not isinstance(held, HeldNft) or policy.mode != "live" or to == policy.owner:
            continue
        known = before.books.get(policy.book)
        left = NftLeft(
            **now.stamp("alert", key, action="left"),
            book=policy.book,
            item=key,
            to=to,
            transaction_hash=_last_transfer(event, key),
            amount0=held.pays[0],
            amount1=held.pays[1],
            value_quote=None if known is None else worth(known[1], held),
        )
        _remember(shard, event, left)
        yield left


def _remember(shard: Shard, event: BlockSeen, left: NftLeft) -> None:
    """Keep the report for who looks at the inventory; in the chain part, so that a reorg takes it back."""
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
    """Forget an NFT that has come back, one whose book is gone, and one that left long ago."""
    departures = list(shard.tables.group(_DEPARTURES, Departure))
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


def _last_transfer(event: BlockSeen, item: str) -> Hash | None:
    """Find the transaction of a block that moved an NFT last."""
    return next((log.transaction_hash for log in reversed(event.logs) if _moves(log, item)), None)


def _moves(log: RawLog, item: str) -> bool:
    try:
        moved = decode_nft_transfer(log)
    except MalformedLogError:
        return False
    return moved is not None and keys.position(log.address, moved.token_id) == item
