"""An NFT that leaves a live book is told, with what it was worth."""

import pytest
from builders import MANAGER, OWNER, STRANGER, topic
from desk import Desk, live

from pipeline.advance.views import shown
from pipeline.book import own_positions
from pipeline.messages.decisions import NftLeft
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC, ZERO_ADDRESS


@pytest.mark.parametrize("recipient", [STRANGER, ZERO_ADDRESS])
@pytest.mark.parametrize("mode", ["live", "dry-run"])
def test_an_nft_that_leaves_is_told_with_what_it_was_worth(recipient, mode):
    desk = Desk(live(mode=mode))
    ((key, _),) = own_positions(desk.shard, live())
    before = shown(desk.shard)
    _, found = before.positions[key]
    _, stock = before.books["alpha"]
    desk.watcher.chain.mine(0)
    number = int(key.rpartition("/")[2])
    desk.watcher.chain.log(MANAGER, [TRANSFER_TOPIC, topic(OWNER), topic(recipient), topic(number)])
    desk.watcher.tell()
    said = [output for output in desk.take() if isinstance(output, NftLeft)]
    if mode != "live":
        assert not said
        return
    (left,) = said
    assert (left.book, left.item) == ("alpha", key)
    assert left.to == (None if recipient == ZERO_ADDRESS else STRANGER)
    assert left.amount0 == found.principal0 + found.fees0
    assert left.amount1 == found.principal1 + found.fees1
    wallet = [holding.wallet + holding.native for holding in stock.holdings]
    base_outside = wallet[0] * stock.sqrt_price_x96**2 >> 192
    assert abs(left.value_quote - (stock.value_quote - base_outside - wallet[1])) <= 2
    desk.block()
    assert len(desk.said(NftLeft)) == 1
