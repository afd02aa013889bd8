"""Step 4: compute a book's inventory: where its tokens lie and what they are worth together."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET

from pipeline import keys
from pipeline.book.exposures import ExposureKind, HeldItem
from pipeline.book.inventory import WHOLE_BPS, Stock, Summed
from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.messages.views import Holding
from pipeline.state.shard import Shard
from pipeline.units import Address, Bps, RawAmount
from pipeline.venues.registry import venues_of


def held_parts(shard: Shard, policy: Policy) -> tuple[Summed, ...]:
    """Sum up what a book has at each venue of its chain; sums of an unchanged venue are taken from the cache.

    Raises: ImpossibleFactError where something is not followed.
    """
    held = [venue.held_items(shard, policy) for venue in venues_of(policy.chain)]
    return tuple([_remembered(shard, policy, place, items) for place, items in enumerate(held)])


def _remembered(shard: Shard, policy: Policy, place: int, items: Sequence[HeldItem]) -> Summed:
    return shard.tables.derived(keys.summed(policy.book, place), (items,), sum_up, items)


def sum_up(items: Sequence[HeldItem]) -> Summed:
    """Sum the exposures of items by token and kind."""
    return Summed(
        items=items,
        by_token=_sums(items),
        has_liquidity=any(item.provides_liquidity for item in items),
        any_in_range=any(item.in_range for item in items),
    )


def take_stock(policy: Policy, parts: Sequence[Summed], prices: Mapping[Address, Price]) -> Stock:
    """Value a book. The value may be zero or negative; every share is 0 then."""
    sums = _merged(parts)
    net = {token.address: sums.get(token.address, {}) for token in policy.tokens}
    totals = {token: sum(kinds.values()) for token, kinds in net.items()}
    values = {token: price.value(totals[token]) for token, price in prices.items() if token in totals}
    base_value, value = values.get(policy.base, 0), sum(values.values())
    return Stock(
        parts=tuple(parts),
        holdings=tuple([_holding(token, kinds) for token, kinds in net.items()]),
        prices=prices,
        values_quote=values,
        base_amount=RawAmount(totals.get(policy.base, 0)),
        quote_amount=RawAmount(
            sum([values.get(token, 0) for token in (policy.quote, *policy.quote_equivalents)])
        ),
        unpriced=tuple([token for token, amount in totals.items() if amount and token not in prices]),
        base_price=prices[policy.base],
        base_value_quote=RawAmount(base_value),
        value_quote=RawAmount(value),
        base_share_bps=_share_bps(base_value, value),
        has_liquidity=any(part.has_liquidity for part in parts),
        any_in_range=any(part.any_in_range for part in parts),
    )


def outside_hedge(policy: Policy, stock: Stock) -> Stock:
    """Return the inventory without the hedge's venue: a re-range keeps the share of the rest, however much of it is hedged."""
    if not policy.hedge:
        return stock
    at = zip(venues_of(policy.chain), stock.parts, strict=True)
    parts = tuple(part for venue, part in at if venue.name != policy.hedge.venue)
    return take_stock(policy, parts, stock.prices)


def totals(stock: Stock) -> dict[Address, int]:
    """Sum what a book has of each token, including tokens that its policy does not name."""
    return {token: sum(kinds.values()) for token, kinds in _merged(stock.parts).items()}


def share_bps(stock: Stock, token: Address) -> Bps:
    """Return a token's share of a book's value; 0 where that is zero or negative. Rounds: down."""
    return _share_bps(stock.values_quote.get(token, 0), stock.value_quote)


def worth(stock: Stock, item: HeldItem) -> RawAmount:
    """Value an item of a book in its quote; a token without a price counts as nothing. Rounds: down, token by token."""
    amounts: dict[Address, int] = {}
    for row in item.exposures:
        amounts[row.token] = amounts.get(row.token, 0) + row.amount
    priced = ((stock.prices[token], amount) for token, amount in amounts.items() if token in stock.prices)
    return RawAmount(sum(price.value(amount) for price, amount in priced))


_Sums = dict[Address, dict[ExposureKind, int]]
"""Amounts by token and kind."""


def _sums(items: Iterable[HeldItem]) -> _Sums:
    sums: _Sums = {}
    for item in items:
        for row in item.exposures:
            kinds = sums.setdefault(row.token, {})
            kinds[row.kind] = kinds.get(row.kind, 0) + row.amount
    return sums


def _merged(parts: Sequence[Summed]) -> _Sums:
    sums: _Sums = {}
    for part in parts:
        for token, by_kind in part.by_token.items():
            kinds = sums.setdefault(token, {})
            for kind, amount in by_kind.items():
                kinds[kind] = kinds.get(kind, 0) + amount
    return sums


def _holding(token: Address, kinds: Mapping[ExposureKind, int]) -> Holding:
    return Holding(
        token=token,
        wallet=RawAmount(kinds.get("wallet", 0)),
        native=RawAmount(kinds.get("native", 0)),
        principal=RawAmount(kinds.get("principal", 0)),
        fees=RawAmount(kinds.get("fees", 0)),
        collateral=RawAmount(kinds["collateral"]) if "collateral" in kinds else UNSET,
        debt=RawAmount(kinds["debt"]) if "debt" in kinds else UNSET,
    )


def _share_bps(part: int, whole: int) -> Bps:
    return Bps(part * WHOLE_BPS // whole if whole > 0 else 0)
