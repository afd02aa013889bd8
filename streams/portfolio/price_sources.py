"""Check the price sources of a portfolio file, and make the policy's part of them."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pipeline.messages.prices import Asset, FeedPrice, MeanPath, Par, PoolPath, PriceSource, Reference
from pipeline.units import Address, PoolId, Seconds
from streams.human_numbers import bps_text, seconds_text
from streams.portfolio.price_sections import AssetSection, PriceSection, ReferenceSection
from streams.portfolio.sections import BookSection, TokenSection
from streams.yaml_positions import FieldPath, Problem

FeedAges = Mapping[Address, Seconds]
"""How old an answer of each price feed may be whose heartbeat the chain's file has."""
_KINDS = ("pools", "mean", "par", "feed")
_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 24, 30 * 86_400
_OLDEST_S = 7 * 86_400
_MOST_APART_BPS = 2_000


def named_prices(
    book: BookSection, path: FieldPath
) -> Iterator[tuple[FieldPath, TokenSection | None, PriceSection]]:
    """List the prices that a book names in full form, each with its place and its token."""
    for k, reference in enumerate(book.references):
        yield (*path, "references", k), book.token(book.base), reference
    for j, asset in enumerate(book.assets):
        place: FieldPath = (*path, "assets", j)
        if asset.price is not None:
            yield (*place, "price"), book.token(asset.token), asset.price
        for k, reference in enumerate(asset.references):
            yield (*place, "references", k), book.token(asset.token), reference


def pricing_pools(book: BookSection, path: FieldPath) -> Iterator[tuple[FieldPath, PoolId]]:
    """List the pools that give a price, except the reference pool, each with its place."""
    for j, asset in enumerate(book.assets):
        place: FieldPath = (*path, "assets", j, "price_path")
        yield from (((*place, k), pool) for k, pool in enumerate(asset.price_path or ()))
    for named, _, price in named_prices(book, path):
        yield from (((*named, "pools", k), pool) for k, pool in enumerate(price.pools or ()))
        yield from (((*named, "mean", k), pool) for k, pool in enumerate(price.mean or ()))


def problems_in_prices(book: BookSection, path: FieldPath, ages: FeedAges) -> Iterator[Problem]:
    """Find what is wrong with the prices of a book's tokens."""
    for j, asset in enumerate(book.assets):
        place: FieldPath = (*path, "assets", j)
        if (asset.price_path is None) == (asset.price is None):
            yield Problem((*place, "price_path"), "one of price_path and price must value it")
        if asset.price is not None and asset.price.mean is not None:
            says = "values nothing: a mean is not a price of now. It may stand under references"
            yield Problem((*place, "price", "mean"), says)
    for place, token, price in named_prices(book, path):
        yield from _problems_in(book, place, token, price, ages)


def _problems_in(
    book: BookSection, place: FieldPath, token: TokenSection | None, price: PriceSection, ages: FeedAges
) -> Iterator[Problem]:
    named = [kind for kind in _KINDS if getattr(price, kind) is not None]
    if len(named) != 1:
        says = f"must have one of {', '.join(_KINDS)}" + (f", not {' and '.join(named)}" if named else "")
        yield Problem(place, says)
    for kind in ("pools", "mean"):
        pools = getattr(price, kind) or ()
        if len(set(pools)) != len(pools):
            yield Problem((*place, kind), "names a pool twice")
    yield from _window(place, price)
    yield from _feed(place, price, ages)
    yield from _units(book, place, token, price)
    if isinstance(price, ReferenceSection) and not 0 < price.within <= _MOST_APART_BPS:
        says = f"{bps_text(price.within)} is not above 0% and up to {bps_text(_MOST_APART_BPS)}"
        yield Problem((*place, "within"), says)


def _units(
    book: BookSection, place: FieldPath, token: TokenSection | None, price: PriceSection
) -> Iterator[Problem]:
    """Find a unit that is not priced before the token is: only the quote is, and the base for other tokens."""
    units = {"the quote": book.token(book.quote)}
    if token is not book.token(book.base):
        units["the base"] = book.token(book.base)
    for field in ("par", "counts_in"):
        named = getattr(price, field)
        if named is not None and book.token(named) not in [unit for unit in units.values() if unit]:
            yield Problem((*place, field), f"{named} is not {' or '.join(units)}")


def _feed(place: FieldPath, price: PriceSection, ages: FeedAges) -> Iterator[Problem]:
    if price.feed is None:
        for field in ("max_age", "counts_in"):
            if getattr(price, field) is not None:
                yield Problem((*place, field), "is of a feed only")
    elif price.max_age is None and price.feed in ages:
        return
    elif price.max_age is None:
        says = "missing: how old the feed's answer may be; a little more than its heartbeat"
        yield Problem((*place, "max_age"), says)
    elif not 0 < price.max_age <= _OLDEST_S:
        says = f"{seconds_text(price.max_age)} is not above 0s and up to {seconds_text(_OLDEST_S)}"
        yield Problem((*place, "max_age"), says)


def _window(place: FieldPath, price: PriceSection) -> Iterator[Problem]:
    if price.mean is None:
        if price.window is not None:
            yield Problem((*place, "window"), "is of a mean only")
    elif price.window is None:
        yield Problem((*place, "window"), "missing: over which time the mean is taken")
    elif not _SHORTEST_WINDOW_S <= price.window <= _LONGEST_WINDOW_S:
        bounds = f"{seconds_text(_SHORTEST_WINDOW_S)} to {seconds_text(_LONGEST_WINDOW_S)}"
        yield Problem((*place, "window"), f"{seconds_text(price.window)} is not within {bounds}")


# ------------------------------------------------------------------ as the policy says them
def assets_of(book: BookSection, ages: FeedAges) -> tuple[Asset, ...]:
    """Build the assets of a book that passed its checks."""
    return tuple(_asset(book, each, ages) for each in book.assets)


def references_of(
    book: BookSection, sections: Iterable[ReferenceSection], ages: FeedAges
) -> tuple[Reference, ...] | msgspec.UnsetType:
    """Build the references that passed their checks; unset where there are none."""
    made = tuple(Reference(price=_source(book, each, ages), within_bps=each.within) for each in sections)
    return made or msgspec.UNSET


def _asset(book: BookSection, section: AssetSection, ages: FeedAges) -> Asset:
    return Asset(
        token=_address(book, section.token),
        price_path=section.price_path or (),
        valued_by=msgspec.UNSET if section.price is None else _source(book, section.price, ages),
        references=references_of(book, section.references, ages),
        target_share_bps=section.target_share,
    )


def _source(book: BookSection, section: PriceSection, ages: FeedAges) -> PriceSource:
    if section.pools is not None:
        return PoolPath(pools=section.pools)
    if section.mean is not None:
        assert section.window is not None, "checked before"
        return MeanPath(pools=section.mean, window_s=section.window)
    if section.feed is not None:
        max_age_s = ages[section.feed] if section.max_age is None else section.max_age
        unit = _address(book, section.counts_in or book.quote)
        return FeedPrice(feed=section.feed, unit=unit, max_age_s=max_age_s)
    assert section.par is not None, "checked before"
    return Par(unit=_address(book, section.par))


def _address(book: BookSection, name: str) -> Address:
    token = book.token(name)
    assert token is not None, "checked before"
    return token.address
