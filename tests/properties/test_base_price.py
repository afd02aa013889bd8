"""An exact price of base in quote values an amount like the pool's square-root price, in either token order."""

from builders import BASE, QUOTE
from desk import live
from hypothesis import given
from hypothesis import strategies as st

from pipeline.book.pricing import gas_in_quote, in_quote
from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.venues.uniswap_v3.act.market import base_price

PRICES = st.integers(MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96) | st.integers(2**96 - 5, 2**96 + 5)
AMOUNTS = st.integers(0, 2**128) | st.integers(0, 5)
ONE, OTHER = sorted((BASE, QUOTE))


@given(PRICES, AMOUNTS)
def test_base_as_token0_is_worth_what_the_pool_says(sqrt_price_x96, amount):
    book = live(base=ONE, quote=OTHER)
    worth = in_quote(book, ONE, amount, base_price(book, sqrt_price_x96))
    assert worth == value_in_token1(amount, sqrt_price_x96)


@given(PRICES, AMOUNTS)
def test_base_as_token1_is_worth_what_the_pool_says(sqrt_price_x96, amount):
    book = live(base=OTHER, quote=ONE)
    worth = in_quote(book, OTHER, amount, base_price(book, sqrt_price_x96))
    assert worth == value_in_token0(amount, sqrt_price_x96)


@given(PRICES, AMOUNTS)
def test_gas_is_worth_what_as_much_of_the_wrapped_coin_is(sqrt_price_x96, amount):
    book = live()
    price = base_price(book, sqrt_price_x96)
    assert book.chain.wrapped_native == book.base
    assert gas_in_quote(book, amount, price) == in_quote(book, book.base, amount, price)
    assert in_quote(book, book.quote, amount, price) == amount
