"""An NFT that leaves a live book is published with its value."""

import pytest
from builders import MANAGER, OWNER, STRANGER, topic
from desk import Desk, live
from msgspec.structs import replace

from pipeline.advance.shard_views import shown
from pipeline.messages.arrivals import Departure
from pipeline.messages.decisions import PositionLeft
from pipeline.venues.uniswap_v3.assess import own_positions
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC, ZERO_ADDRESS


def leave(desk: Desk, key: str, recipient: str, *, sender: str = OWNER) -> list:
    """Let an NFT go to somebody else in a block of its own."""
    desk.watcher.chain.mine(0)
    number = int(key.rpartition("/")[2])
    desk.watcher.chain.log(MANAGER, [TRANSFER_TOPIC, topic(sender), topic(recipient), topic(number)])
    desk.watcher.tell()
    return desk.take()


@pytest.mark.parametrize("recipient", [STRANGER, ZERO_ADDRESS])
@pytest.mark.parametrize("mode", ["live", "dry-run"])
def test_an_nft_that_leaves_is_told_with_what_it_was_worth(recipient, mode):
    desk = Desk(live(mode=mode))
    ((key, _),) = own_positions(desk.shard, live())
    before = shown(desk.shard)
    _, _, found = before.by_item()[key]
    stock = before.books["alpha"].stock
    assert stock is not None
    said = [output for output in leave(desk, key, recipient) if isinstance(output, PositionLeft)]
    moved_by = desk.watcher.chain.logs[-1].transaction_hash
    if mode != "live":
        assert not said
        return
    (left,) = said
    assert (left.book, left.item) == ("alpha", key)
    assert left.to == (None if recipient == ZERO_ADDRESS else STRANGER)
    assert [each.amount for each in left.amounts] == [
        p + f for p, f in zip(found.principal, found.fees, strict=True)
    ]
    wallet = [holding.wallet + holding.native for holding in stock.holdings]
    base_outside = stock.base_price.value(wallet[0])
    assert abs(left.value_quote - (stock.value_quote - base_outside - wallet[1])) <= 2
    desk.block()
    assert len(desk.said(PositionLeft)) == 1
    kept = desk.shard.tables.need(f"departure/{key}", Departure)
    assert (kept.book, kept.to, kept.value_quote) == ("alpha", left.to, left.value_quote)
    assert kept.transaction_hash == left.transaction_hash == moved_by
    assert kept.block == left.because_of.block


def test_what_left_is_forgotten_once_it_is_back_after_a_month_and_with_the_branch():
    desk = Desk(live())
    ((key, _),) = own_positions(desk.shard, live())
    before_it = desk.watcher.fork("other")
    leave(desk, key, STRANGER)
    kept = desk.shard.tables.need(f"departure/{key}", Departure)
    desk.watcher.revert_to(before_it)
    desk.take()
    assert not desk.shard.tables.find(f"departure/{key}", Departure), (
        "the branch is gone, and with it what left"
    )
    leave(desk, key, STRANGER)
    leave(desk, key, OWNER, sender=STRANGER)
    assert not desk.shard.tables.find(f"departure/{key}", Departure), "it is back"
    long_ago = replace(kept, block=replace(kept.block, timestamp_s=kept.block.timestamp_s - 31 * 86_400))
    desk.shard.tables.put(f"departure/{key}", long_ago)
    desk.block()
    assert not desk.shard.tables.find(f"departure/{key}", Departure)
