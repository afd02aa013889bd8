"""A price as a square root in older records becomes the exact fraction of their pool."""

import json

import pytest
from builders import POOL, policy
from desk import Desk, live

from pipeline.advance.books import stock_of
from pipeline.book.pricing import pair_price
from pipeline.errors import MalformedRecordError
from pipeline.messages.decisions import RebalanceProposed
from pipeline.messages.views import BookView
from pipeline.venues.uniswap_v3.pools import need_pool
from streams.kafka.codec import decode_event, decode_output, encode

RUN = (
    '{"outcome":"done","reason":"","refusal":null,"blocks":"1","steps":[],"changes":[],"lent_wei":"0","minted":'
    '[{"token_id":"17","pool":"0x1","tick_lower":"-10","tick_upper":"20","liquidity":"5"}],"before":%s,"after":null}'
)
INVENTORY = (
    '{"holdings":[],"base_amount":"1","quote_amount":"2","value_quote":"3","sqrt_price_x96":"79228162514264337593543950336",'
    '"base_share_bps":"4","deviation_bps":"5"}'
)


def as_it_was(output: object, root_x96: int) -> bytes:
    """Write a record in its first form."""
    fields = json.loads(encode(output))
    fields["type"] = fields["type"].partition(".")[0]
    assert fields.pop("price")
    return json.dumps({**fields, "sqrt_price_x96": str(root_x96)}, separators=(",", ":")).encode()


@pytest.mark.parametrize("flipped", [False, True], ids=["base is token0", "base is token1"])
def test_a_view_of_before_becomes_the_very_one_that_is_told_now(flipped):
    given = policy()
    book = live(base=given.quote, quote=given.base) if flipped else live()
    desk = Desk(book)
    root_x96 = need_pool(desk.shard, POOL).sqrt_price_x96
    told = desk.said(BookView)[-1], *desk.said(RebalanceProposed)[-1:]
    for now in told:
        assert decode_output(as_it_was(now, root_x96)) == now
    price = pair_price(book, stock_of(desk.shard, book).base_price)
    assert told[0].price == price
    assert price.ratio == (root_x96 * root_x96, 1 << 192)


def test_a_dry_run_of_before_tells_its_prices_and_its_nft_in_the_new_form():
    record = '{"type":"DryRunEnded.2","book":"a","proposal":"p","run":%s,"simulated":true}'
    run = decode_event((record % (RUN % INVENTORY)).encode(), where="here").run
    assert run.before.price.ratio == (1 << 192, 1 << 192)
    ((venue, terms),) = ((each.venue, each.terms) for each in run.new_positions)
    assert (venue, terms["token_id"], terms["tick_lower"]) == ("uniswap_v3", "17", "-10")
    assert run.after is None


@pytest.mark.parametrize("root", ['"+7"', '"07"', '"x"', "7", "null"])
def test_a_root_that_is_not_written_as_ours_are_is_malformed(root):
    strange = INVENTORY.replace('"79228162514264337593543950336"', root)
    record = '{"type":"DryRunEnded.2","book":"a","proposal":"p","run":%s,"simulated":true}'
    with pytest.raises(MalformedRecordError, match="here: DryRunEnded of version 2"):
        decode_event((record % (RUN % strange)).encode(), where="here")
