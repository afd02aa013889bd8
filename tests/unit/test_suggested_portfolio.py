"""The portfolio that `look` suggests: which token of a pair becomes the quote."""

import pytest
from builders import OWNER

from pipeline.units import Address, Pips, PoolId, TokenId
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from streams.look.suggested_portfolio import pairs_in
from streams.node.venues.uniswap_v3.positions_of_owner import PoolFound, PositionsFound, TokenFound

WRAPPED, ONE, OTHER = (Address("0x" + digit * 40) for digit in "abc")
POOL = PoolId("0x" + "d" * 40)


def found(**symbols: str) -> PositionsFound:
    """One position in a pool of two tokens, by their addresses' letters and symbols."""
    token0, token1 = (
        TokenFound(address=Address("0x" + letter * 40), symbol=symbol, decimals=18)
        for letter, symbol in sorted(symbols.items())
    )
    position = NftPosition(**(dict.fromkeys(NftPosition.__struct_fields__, 0) | {"pool": POOL}))
    pool = PoolFound(address=POOL, token0=token0, token1=token1, fee_pips=Pips(500))
    return PositionsFound(
        owner=OWNER, positions={TokenId(1): position}, closed=0, pools={POOL: pool}, unread=()
    )


@pytest.mark.parametrize(
    ("symbols", "money", "quote"),
    [
        ({"a": "WETH", "b": "USDC"}, (), "USDC"),
        ({"a": "WETH", "b": "PEPE"}, (), "WETH"),
        ({"b": "PEPE", "c": "EURC"}, (), "EURC"),
        ({"a": "WETH", "b": "CUR"}, (ONE,), "CUR"),
        ({"b": "CUR", "c": "USDC"}, (ONE,), "CUR"),
        ({"b": "USDC", "c": "CUR"}, (OTHER,), "CUR"),
    ],
)
def test_value_is_counted_in_money_of_the_chains_file_before_what_calls_itself_so(symbols, money, quote):
    (pair,) = pairs_in(found(**symbols), WRAPPED, money)
    assert pair.quote.symbol == quote
    assert {pair.base.symbol, pair.quote.symbol} == set(symbols.values())
