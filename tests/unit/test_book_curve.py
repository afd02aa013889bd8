"""A book becomes a value curve: its present value, and its ranges' value at other prices."""

import pytest
from builders import BASE, OTHER_POOL, OWNER, POOL, QUOTE, address, policy

from pipeline.book.book_curve import curve_of_book, gamma_of_book, price_of
from pipeline.book.exposures import ONE_FOR_ONE, Exposure, HeldItem
from pipeline.book.stock import sum_up, take_stock
from pipeline.curves.derive import derive
from pipeline.curves.invariants import AMMS
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.math.fixed_point import Q96
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import Price
from pipeline.messages.policy import TokenSpec
from pipeline.venues.uniswap_v3.assess import HeldNft
from pipeline.venues.uniswap_v3.forms.entries import NftPosition

DAI, OTHER = address(0xD0), address(0xE0)
NOW = sqrt_price_at_tick(-200_000)
BOOK = policy(
    tokens=(
        TokenSpec(address=BASE, symbol="WETH", decimals=18),
        TokenSpec(address=QUOTE, symbol="USDC", decimals=6),
        TokenSpec(address=DAI, symbol="DAI", decimals=18),
        TokenSpec(address=OTHER, symbol="UNI", decimals=18),
    ),
    quote_equivalents=(DAI,),
    pools=(POOL, OTHER_POOL),
)
PRICES = {
    BASE: Price(numerator=NOW**2, denominator=Q96**2),
    QUOTE: ONE_FOR_ONE,
    DAI: Price(numerator=1, denominator=10**12),
}


@pytest.fixture(scope="module")
def derived():
    return derive(AMMS["range"].invariant)


def rows(kind, **amounts):
    return tuple(Exposure(token=token, kind=kind, amount=amount) for token, amount in amounts.items())


def nft(token1, lower, upper, liquidity, at=NOW):
    held0, held1 = amounts_of_liquidity(at, lower, upper, liquidity)
    return HeldNft(
        item="",
        position=NftPosition(owner=OWNER, pool=POOL, tick_lower=lower, tick_upper=upper, liquidity=liquidity),
        token0=BASE,
        token1=token1,
        provides_liquidity=liquidity > 0,
        exposures=(
            *rows("principal", **{BASE: held0, token1: held1}),
            *rows("fees", **{BASE: 10**15, token1: 5 * 10**6}),
        ),
    )


def wallet(**amounts):
    return HeldItem(item="", exposures=rows("wallet", **amounts))


def test_at_the_price_of_now_it_has_the_value_of_the_stock(derived):
    nfts = [
        nft(QUOTE, -202_000, -198_000, 10**18),
        nft(QUOTE, -190_000, -180_000, 10**17),
        nft(QUOTE, 0, 60, 0),
    ]
    stock = take_stock(
        BOOK, [sum_up([*nfts, wallet(**{BASE: 3 * 10**18, QUOTE: 7_000 * 10**6, DAI: 10**18})])], PRICES
    )
    curve = curve_of_book(derived, BOOK, stock)
    now = curve.at(price_of(BOOK, stock))
    assert len(curve.ranges) == 2, "an empty NFT is not a range"
    assert now.value == pytest.approx(stock.value_quote / 1e6, abs=1e-5)
    assert now.base == pytest.approx(stock.base_amount / 1e18, rel=1e-12)
    assert curve.base == pytest.approx(3 + 3e-3, abs=1e-9)
    assert curve.quote == pytest.approx(7_016, abs=1e-5)
    assert now.gamma < 0


def test_a_debt_is_less_than_nothing(derived):
    stock = take_stock(BOOK, [sum_up([wallet(**{BASE: -2 * 10**18, QUOTE: 10**10})])], PRICES)
    curve = curve_of_book(derived, BOOK, stock)
    assert curve.at(3_000.0)[1:5] == (-2.0, 10_000.0, 4_000.0, -2.0)
    assert curve.at(6_000.0).value == -2_000.0


def test_a_range_against_an_equivalent_of_the_quote_counts_with_its_own_decimals(derived):
    """12 decimals more are 276,324 ticks: the same range in prices."""
    shift = 276_324
    dai_now = sqrt_price_at_tick(-200_000 + shift)
    in_dai = take_stock(
        BOOK, [sum_up([nft(DAI, -202_000 + shift, -198_000 + shift, 10**24, dai_now)])], PRICES
    )
    in_usdc = take_stock(BOOK, [sum_up([nft(QUOTE, -202_000, -198_000, 10**18)])], PRICES)
    dai, usdc = (curve_of_book(derived, BOOK, stock) for stock in (in_dai, in_usdc))
    price = price_of(BOOK, in_usdc)
    for factor in (0.7, 0.95, 1.0, 1.1, 1.5):
        assert dai.at(price * factor).value == pytest.approx(usdc.at(price * factor).value - 5, rel=1e-4)


def test_a_range_that_is_not_of_base_and_quote_is_what_it_is_worth_now(derived):
    stock = take_stock(
        BOOK, [sum_up([nft(OTHER, -202_000, -198_000, 10**18)])], PRICES | {OTHER: ONE_FOR_ONE}
    )
    curve = curve_of_book(derived, BOOK, stock)
    now = price_of(BOOK, stock)
    assert curve.ranges == ()
    assert curve.at(now).value == pytest.approx(stock.value_quote / 1e6)
    assert curve.at(2 * now).value - curve.at(now).value == pytest.approx(now * stock.base_amount / 1e18)


@pytest.mark.parametrize("at", [NOW, sqrt_price_at_tick(-202_000), sqrt_price_at_tick(-180_000)])
def test_its_gamma_is_that_of_the_curve_without_any_formula_derived(derived, at):
    nfts = [
        nft(QUOTE, -202_000, -198_000, 10**18, at),
        nft(DAI, -200_500, -199_000, 10**18, at),
        nft(QUOTE, -190_000, -180_000, 10**17, at),
        wallet(**{BASE: 10**18}),
    ]
    prices = {**PRICES, BASE: Price(numerator=at**2, denominator=Q96**2)}
    stock = take_stock(BOOK, [sum_up(nfts)], prices)
    whole = curve_of_book(derived, BOOK, stock).at(price_of(BOOK, stock))
    assert gamma_of_book(BOOK, stock) == pytest.approx(whole.gamma, rel=1e-9, abs=1e-15)
