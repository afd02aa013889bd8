"""Set apart NFTs that strangers send to a book's owner, and report them."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.messages.arrivals import Gift
from pipeline.messages.decisions import PositionSetApart
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.units import Address
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.routed_nfts import is_ours


def report_unsolicited(
    shard: Shard, event: BlockSeen, manager: Address, now: Provenance
) -> Iterator[PositionSetApart]:
    """Return each NFT that somebody else's transaction brought in this block."""
    books = {policy.owner: policy.book for policy in policies(shard.tables)}
    for key, gift in shard.tables.group(keys.gift.under(keys.position.family), Gift):
        item = keys.item_of(key)
        if own_keys.manager_of(item) != manager:
            continue
        route = shard.tables.find(keys.route(item), Route)
        if gift.at_block != event.block.number or route is None or is_ours(shard.tables, item):
            continue
        if route.owner in books:
            stamp = now.stamp("alert", item, action="set-apart")
            yield PositionSetApart(**stamp, book=books[route.owner], item=item)
