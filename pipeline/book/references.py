"""Compute reference prices of a book's tokens. They value nothing; a book acts only while spot is near each of them."""

from collections.abc import Mapping

import msgspec

from pipeline import keys
from pipeline.book.exposures import Spot
from pipeline.book.feeds import answer_of, feed_fault, feed_price
from pipeline.book.price_rings import mean_price
from pipeline.book.prices import along, at_par, find_spot
from pipeline.book.pricing import apart_bps
from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.messages.prices import FeedPrice, MeanPath, Par, PriceSource, Reference
from pipeline.state.shard import Shard
from pipeline.units import Address, Bps, Seconds
from pipeline.venues.registry import venues_of

Prices = Mapping[Address, Price]


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a spot price must not be acted at."""

    reason: str
    item: str
    """The key of the reference's pool, feed or token."""
    until_s: Seconds | None = None
    """The time from which the reference is known, where it can be computed."""
    apart_bps: Bps | None = None
    """How far spot is from the reference."""

    @property
    def told(self) -> str:
        """Describe the doubt in one line."""
        if self.apart_bps is not None:
            return f"spot is {self.apart_bps} bps from the reference by {self.item}"
        known = "" if self.until_s is None else f", before {self.until_s}"
        return f"the reference by {self.item} is not known{known}: {self.reason}"


def doubt(shard: Shard, policy: Policy, prices: Prices, now_s: Seconds) -> Doubt | None:
    """Compare each token's spot price with its references; return the first unknown reference, else the one exceeded by most.

    The side does not matter: whichever way spot is off, it is the worse price for us in one direction of a trade.
    """
    found: list[tuple[int, Doubt]] = []
    for token, reference in policy.all_references():
        now = _reference_now(shard, policy, token, reference, prices=prices, now_s=now_s)
        if now.apart_bps is None:
            return now.doubt
        if now.doubt is not None:
            found.append((now.apart_bps - reference.within_bps, now.doubt))
    return max(found, key=lambda each: each[0])[1] if found else None


class ReferenceNow(msgspec.Struct, frozen=True, kw_only=True):
    """A reference price of a token at a block."""

    token: Address
    item: str
    """The key of the reference's pool, feed or token."""
    within_bps: Bps
    price: Price | None
    """Raw quote per raw token; None where it is not known."""
    doubt: Doubt | None
    """The reason why it is unknown or spot is too far from it; None: neither."""
    apart_bps: Bps | None
    """How far spot is from this price."""
    age_s: Seconds | None
    """The age of a feed's last answer; None for a feed without an answer, and for pools."""


def references_now(shard: Shard, policy: Policy, prices: Prices, now_s: Seconds) -> list[ReferenceNow]:
    """List every reference of a book with price, age and distance from spot, for display."""
    return [
        _reference_now(shard, policy, token, reference, prices=prices, now_s=now_s)
        for token, reference in policy.all_references()
    ]


def _reference_now(
    shard: Shard, policy: Policy, token: Address, reference: Reference, *, prices: Prices, now_s: Seconds
) -> ReferenceNow:
    source, item = reference.price, _item_of(token, reference.price)
    found = _price_of(shard, policy, token, source, prices=prices, now_s=now_s)
    answer = answer_of(shard.tables, source) if isinstance(source, FeedPrice) else None
    price, doubted = (None, found) if isinstance(found, Doubt) else (found, None)
    apart = None if price is None else apart_bps(prices[token], price)
    if apart is not None and apart > reference.within_bps:
        doubted = Doubt(reason="prices_apart", item=item, apart_bps=apart)
    return ReferenceNow(
        token=token,
        item=item,
        within_bps=reference.within_bps,
        price=price,
        doubt=doubted,
        apart_bps=apart,
        age_s=None if answer is None else Seconds(now_s - answer.updated_at_s),
    )


def _price_of(
    shard: Shard, policy: Policy, token: Address, source: PriceSource, *, prices: Prices, now_s: Seconds
) -> Price | Doubt:
    if isinstance(source, Par):
        return at_par(policy, token, source.unit).times(prices[source.unit])
    if isinstance(source, FeedPrice):
        answer = answer_of(shard.tables, source)
        fault = feed_fault(answer, source, now_s)
        if answer is None or fault is not None:
            return Doubt(reason=fault or "not_observed", item=keys.feed(source.feed))
        return feed_price(policy, token, source, answer, prices)
    path: list[tuple[Address, Spot]] = []
    for pool in source.pools:
        spot = find_spot(shard, venues_of(policy.chain), pool)
        if spot is None:
            return Doubt(reason="no_price", item=keys.pool(pool))
        path.append((pool, spot))
    if isinstance(source, MeanPath):
        for place, ring in enumerate(source.rings()):
            mean = mean_price(shard.tables, ring, source.window_s, now_s)
            if not isinstance(mean, Price):
                return Doubt(reason="mean_too_short", item=keys.pool(ring.pool), until_s=mean)
            path[place] = ring.pool, msgspec.structs.replace(path[place][1], price=mean)
    return along(policy, token, path)


def _item_of(token: Address, source: PriceSource) -> str:
    if isinstance(source, FeedPrice):
        return keys.feed(source.feed)
    return keys.token(token) if isinstance(source, Par) else keys.pool(source.pools[0])
