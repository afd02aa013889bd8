"""Build the curve of a book: its ranges of liquidity and everything else it has, valued at any price of its base."""

import math
from collections.abc import Iterator

from pipeline.book.exposures import LiquidityRange
from pipeline.book.inventory import Stock
from pipeline.curves.book import BookCurve
from pipeline.curves.curve import Curve
from pipeline.curves.derived import Derived
from pipeline.curves.ranges import Pair, range_gamma, range_parameters
from pipeline.messages.policy import Policy


def price_of(policy: Policy, stock: Stock) -> float:
    """Convert the price that a book was valued at into whole quote per whole base."""
    raw = stock.prices[policy.base]
    units = 10 ** policy.decimals(policy.base), 10 ** policy.decimals(policy.quote)
    price: float = raw.numerator * units[0] / (raw.denominator * units[1])
    return price


def curve_of_book(derived: Derived, policy: Policy, stock: Stock) -> BookCurve:
    """Build a book's curve: each range of base and quote as a curve, everything else (wallets, fees, debt) as constant amounts.

    At the stock's price the curve has the stock's value. All of the book's pools are taken to be at that price; an equivalent of the quote
    counts at par, and any other token as so much quote as it is worth now, whatever the base does.
    """
    ranges = [
        Curve(derived, range_parameters(pair, each.liquidity, each.low.ratio, each.high.ratio))
        for each, pair in _ranges(policy, stock)
    ]
    inside = [each.at(price_of(policy, stock)) for each in ranges]
    base = stock.base_amount / 10 ** policy.decimals(policy.base)
    quote = (stock.value_quote - stock.base_value_quote) / 10 ** policy.decimals(policy.quote)
    return BookCurve(
        ranges,
        base - math.fsum(point.base for point in inside),
        quote - math.fsum(point.quote for point in inside),
    )


def gamma_of_book(policy: Policy, stock: Stock) -> float:
    """Return the gamma of a book's ranges at the stock's price, equal to that of `curve_of_book`, without its formulas.

    Units: whole base per unit of price; below 0.
    """
    price = price_of(policy, stock)
    return math.fsum(
        range_gamma(range_parameters(pair, each.liquidity, each.low.ratio, each.high.ratio), price)
        for each, pair in _ranges(policy, stock)
    )


def _ranges(policy: Policy, stock: Stock) -> Iterator[tuple[LiquidityRange, Pair]]:
    """List the ranges of base and quote, or an equivalent of it; a range of other tokens counts as constant amounts."""
    for item in stock.items:
        found = item.liquidity_range()
        if found is None:
            continue
        other = {found.token0, found.token1} - {policy.base}
        if len(other) == 1 and other <= {policy.quote, *policy.quote_equivalents}:
            yield (
                found,
                Pair(
                    decimals0=policy.decimals(found.token0),
                    decimals1=policy.decimals(found.token1),
                    base_is_token0=found.token0 == policy.base,
                ),
            )
