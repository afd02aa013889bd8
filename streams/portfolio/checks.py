"""Check the portfolio's fields against each other."""

from collections.abc import Iterable, Iterator

from pipeline.units import Address, Bps
from streams.human_numbers import bps_text, seconds_text
from streams.portfolio.hedges import problems_in_hedge_section
from streams.portfolio.limits import problems_in_limits
from streams.portfolio.price_sections import PriceHistorySection
from streams.portfolio.price_sources import pricing_pools, problems_in_prices
from streams.portfolio.sections import BookSection, ChainSection, Portfolio, TargetBandSection
from streams.portfolio.venues import problems_in_venues
from streams.yaml_positions import FieldPath, Problem, did_you_mean

_ALL_BPS = 10_000
_LONGEST_S = 365 * 86_400
_FEWEST_SLOTS, _MOST_SLOTS = 24, 10_000
"""Of a price history: an estimate of volatility wants 20 moves; a shard's state is to stay small."""


def problems_in(portfolio: Portfolio) -> Iterator[Problem]:
    """Find settings that contradict each other, or cannot be meant."""
    yield from _chain(portfolio.chain)
    yield from _repeated((("books", i, "book"), book.book) for i, book in enumerate(portfolio.books))
    yield from _shared_accounts(portfolio)
    yield from problems_in_venues(portfolio)
    ages = portfolio.chain.feed_ages()
    for i, book in enumerate(portfolio.books):
        path: FieldPath = ("books", i)
        yield from _tokens(book, path)
        yield from _assets(book, path)
        yield from problems_in_prices(book, path, ages)
        yield from _pools(book, path)
        yield from _price_history(book, path)
        yield from problems_in_hedge_section(book, path)
        yield from _mode(book, path, portfolio.chain)
        yield from _target_band(book.strategy, (*path, "strategy"), watching=book.mode == "watch")


def _chain(chain: ChainSection) -> Iterator[Problem]:
    """Check that a number which is stated twice is the same, whether a book is live or not."""
    if chain.live_on is not None and chain.live_on != chain.id:
        says = f"{chain.live_on} is not chain.id, {chain.id}: no book of this file could be live"
        yield Problem(("chain", "live_on"), says)
    file = chain.file()
    if file is not None and file.chain_id != chain.id:
        yield Problem(
            ("chain", "profile"), f"{chain.profile} is of chain {file.chain_id}, not of chain {chain.id}"
        )
    if chain.sequencer.grace is not None and chain.uptime_feed() is None:
        says = f"no uptime feed is known for chain {chain.id}: name one by uptime_feed"
        yield Problem(("chain", "sequencer", "grace"), says)


def _repeated(named: Iterable[tuple[FieldPath, str]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, value in named:
        if value in seen:
            yield Problem(path, f"{value} is named twice")
        seen.add(value)


def _shared_accounts(portfolio: Portfolio) -> Iterator[Problem]:
    """Find accounts that two books count, whose balances or positions would be counted twice."""
    book_of: dict[Address, BookSection] = {}
    for i, book in enumerate(portfolio.books):
        named: list[tuple[FieldPath, Address]] = [(("books", i, "owner"), book.owner)]
        named += [(("books", i, "accounts", j), account) for j, account in enumerate(book.accounts)]
        for path, address in named:
            other = book_of.setdefault(address, book)
            if other is not book:
                says = f"{address} is in book {other.book} already; an account belongs to one book"
                yield Problem(path, says)


def _tokens(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    for field in ("symbol", "address"):
        yield from _repeated(
            ((*path, "tokens", j, field), getattr(token, field)) for j, token in enumerate(book.tokens)
        )
    named = [((*path, "base"), book.base), ((*path, "quote"), book.quote)]
    named += [((*path, "quote_equivalents", j), name) for j, name in enumerate(book.quote_equivalents)]
    named += [((*path, "assets", j, "token"), asset.token) for j, asset in enumerate(book.assets)]
    for place, name in named:
        if book.token(name) is None:
            known = [token.symbol for token in book.tokens]
            yield Problem(place, f"{name} is none of the book's tokens{did_you_mean(name, known)}")
    base = book.token(book.base)
    if base is not None and base is book.token(book.quote):
        yield Problem((*path, "quote"), "must be another token than base")
    for j, name in enumerate(book.quote_equivalents):
        if base is not None and base is book.token(name):
            yield Problem((*path, "quote_equivalents", j), "the base cannot count as the quote")


def _assets(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    """Check that each asset is priced once, and that all targets fit into one book."""
    priced = dict.fromkeys((book.base,), "base") | {book.quote: "quote"}
    priced |= dict.fromkeys(book.quote_equivalents, "an equivalent of the quote")
    known = {token.address: says for name, says in priced.items() if (token := book.token(name)) is not None}
    total = book.strategy.target_share
    for j, asset in enumerate(book.assets):
        place: FieldPath = (*path, "assets", j)
        token = book.token(asset.token)
        if token is not None and token.address in known:
            yield Problem((*place, "token"), f"{asset.token} is {known[token.address]} already")
        elif token is not None:
            known[token.address] = "an asset"
        pools = asset.price_path or ()
        if len(set(pools)) != len(pools):
            yield Problem((*place, "price_path"), "names a pool twice")
        target = asset.target_share
        if target is None:
            continue
        total = Bps(total + target)
        if not 0 <= target <= _ALL_BPS:
            yield Problem((*place, "target_share"), f"{bps_text(target)} is not between 0% and 100%")
        elif total > _ALL_BPS:
            yield Problem((*place, "target_share"), f"all targets together are {bps_text(total)}")


def _pools(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    yield from _repeated(((*path, "pools", j), pool) for j, pool in enumerate(book.pools))
    taken = {token.address: f"token {token.symbol}" for token in book.tokens} | {book.owner: "owner"}
    named = [((*path, "pools", j), pool) for j, pool in enumerate(book.pools)]
    named += pricing_pools(book, path)
    for place, pool in [*named, ((*path, "reference_pool"), book.reference_pool)]:
        if pool in taken:
            yield Problem(place, f"{pool} is the book's {taken[pool]}, not a pool")


def slots_of(section: PriceHistorySection) -> int:
    """Return how many prices a history needs for its time span. Rounds: up."""
    return -(-section.span // section.every)


def _price_history(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    section = book.price_history
    if section is None:
        return
    if not section.every:
        yield Problem((*path, "price_history", "every"), "0s is not an interval")
    elif not _FEWEST_SLOTS <= slots_of(section) <= _MOST_SLOTS:
        says = (
            f"{seconds_text(section.span)} are {slots_of(section)} intervals of {seconds_text(section.every)}; "
            f"{_FEWEST_SLOTS} to {_MOST_SLOTS} can be kept"
        )
        yield Problem((*path, "price_history", "span"), says)


def _mode(book: BookSection, path: FieldPath, chain: ChainSection) -> Iterator[Problem]:
    if book.mode == "live":
        if chain.live_on is None:
            says = f"live only where chain.live_on says {chain.id} once more"
            yield Problem((*path, "mode"), says)
        if book.signer is not None and book.signer != book.owner:
            says = (
                f"{book.signer} is not the owner {book.owner}: acting for another account (a Safe) is not supported "
                "yet; such a book may be mode: dry-run or watch"
            )
            yield Problem((*path, "signer"), says)
    if book.mode != "watch":
        yield from problems_in_limits(book, path, chain.numbers())


def _target_band(section: TargetBandSection, path: FieldPath, *, watching: bool) -> Iterator[Problem]:
    target, band = section.target_share, section.band
    if not 0 <= target <= _ALL_BPS:
        yield Problem((*path, "target_share"), f"{bps_text(target)} is not between 0% and 100%")
    elif not 0 < band <= _ALL_BPS:
        yield Problem((*path, "band"), f"{bps_text(band)} is not above 0% and up to 100%")
    elif band >= max(target, _ALL_BPS - target):
        says = (
            f"{bps_text(band)} around {bps_text(target)} takes in every share: nothing would ever be proposed"
        )
        yield Problem((*path, "band"), says)
    if not 0 <= section.hysteresis < max(band, 1):
        says = f"{bps_text(section.hysteresis)} is not below the band of {bps_text(band)}: it would never end"
        yield Problem((*path, "hysteresis"), says)
    for field in ("hold_out_of_range", "cooldown"):
        if getattr(section, field) > _LONGEST_S:
            says = f"{seconds_text(getattr(section, field))} is longer than a year"
            yield Problem((*path, field), says)
    if section.cooldown == 0 and not watching:
        yield Problem(
            (*path, "cooldown"), "0s would propose again at every block; only mode: watch may say that"
        )
