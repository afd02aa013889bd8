"""Prove that a decision about a book is the same at all prices within its pools' spans: in integers, at the worse end."""

from collections.abc import Mapping, Sequence

from pipeline.book.inventory import WHOLE_BPS, Stock
from pipeline.book.span import PoolSpan
from pipeline.book.stock import totals
from pipeline.decide.strategies import STEADY
from pipeline.messages.base import Price
from pipeline.messages.entries import BookPath
from pipeline.messages.policy import Policy
from pipeline.units import Address, Bps, PoolId


def is_steady(policy: Policy, path: BookPath, stock: Stock, spans: Mapping[PoolId, PoolSpan]) -> bool:
    """Return whether neither a gate nor the path can change within spans, as long as only the pools' prices move.

    Nobody can tell of a book with further assets, or without a positive value: it is looked at whenever a pool of its moves.
    """
    steady = STEADY.get(type(policy.strategy))
    reference = spans.get(policy.reference_pool)
    unpriced = any(token.address not in stock.prices for token in policy.tokens)
    if steady is None or reference is None or policy.assets or unpriced or stock.value_quote <= 0:
        return False
    amounts = _amounts(stock, list(spans.values()))
    ends = [found[1] for spot in reference.spots if (found := spot.of(policy.base)) is not None]
    base = _values(amounts.pop(policy.base, (0, 0)), ends)
    others = [
        _values(each, [stock.prices[token]]) for token, each in amounts.items() if token in stock.prices
    ]
    other = sum(least for least, _ in others), sum(most for _, most in others)
    if min(base[0], other[0]) < 0 or not base[0] + other[0]:
        return False
    target = policy.strategy.target_share_bps
    least = base[0] * WHOLE_BPS // (base[0] + other[1]) - target
    most = base[1] * WHOLE_BPS // (base[1] + other[0]) - target
    return steady(path, policy.strategy, Bps(least), Bps(most))


def _amounts(stock: Stock, spans: Sequence[PoolSpan]) -> dict[Address, tuple[int, int]]:
    """Bound what a book has of each token."""
    bounds = {token: (amount, amount) for token, amount in totals(stock).items()}
    for span in spans:
        for token, (less, more) in span.amounts.items():
            least, most = bounds.get(token, (0, 0))
            bounds[token] = least + less, most + more
    return bounds


def _values(amounts: tuple[int, int], prices: Sequence[Price]) -> tuple[int, int]:
    """Bound a value by those at the ends: it grows with the amount, and rises or falls with the price."""
    values = [price.value(amount) for price in prices for amount in amounts]
    return min(values), max(values)
