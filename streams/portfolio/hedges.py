"""Make a book's hedge policy from the file's section, and refuse one that could never act."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from pipeline.book.inventory import WHOLE_BPS
from pipeline.messages.hedge import AutoRatio, Hedge, HedgeBand, LawBand
from pipeline.messages.policy import Policy
from pipeline.units import Address, Bps, RawAmount
from pipeline.venues.registry import venue_named
from streams.human_numbers import bps_text
from streams.portfolio.hedge_sections import HedgeBandSection, HedgeSection
from streams.portfolio.raw import raw_of
from streams.portfolio.sections import BookSection
from streams.yaml_positions import FieldPath, Problem

_PERMILLE = 1_000
_SHORTEST_HORIZON_S, _LONGEST_HORIZON_S = 86_400, 2 * 365 * 86_400
_MOST_ALPHA_BPS = 5_000
_LEAST_VOLATILITY_BPS, _MOST_VOLATILITY_BPS = 100, 100_000


def hedge_of(book: BookSection) -> Hedge | msgspec.UnsetType:
    """Read the section of a book that is hedged."""
    section = book.hedge
    if section is None:
        return msgspec.UNSET
    return Hedge(
        venue=section.venue,
        collateral=_collateral(book, section),
        ratio_bps=Bps(0) if section.ratio == "auto" else section.ratio,
        auto=_auto(section),
        kept_base=raw_of(book, book.base, section.keep) or RawAmount(0),
        kept_share_bps=section.keep_share,
        band=_band(book, section.band),
        floor_bps=_bps(section.floor),
        gap_bps=section.gap,
        act_bps=_bps(section.act),
        warn_bps=_bps(section.warn),
        largest_debt=raw_of(book, book.base, section.largest_debt),
        largest_step=raw_of(book, book.base, section.largest_step),
        oracle_within_bps=section.oracle_within,
        oracle_age_s=section.oracle_age,
        most_carry_bps=section.most_carry,
        cooldown_s=section.cooldown,
        pace_s=section.pace,
        compensate_after_s=section.compensate_after or msgspec.UNSET,
    )


def _collateral(book: BookSection, section: HedgeSection) -> Address | msgspec.UnsetType:
    """Find the token that is to secure a hedge; nothing where that is the quote."""
    named, quote = (book.token(name) for name in (section.collateral or book.quote, book.quote))
    assert named is not None, "checked before"
    return msgspec.UNSET if named == quote else named.address


def _auto(section: HedgeSection) -> AutoRatio | msgspec.UnsetType:
    if section.ratio != "auto":
        return msgspec.UNSET
    return AutoRatio(horizon_s=section.horizon, alpha_bps=section.alpha, volatility_bps=section.volatility)


def _band(book: BookSection, section: HedgeBandSection) -> HedgeBand | LawBand:
    if section.law is None:
        return HedgeBand(act_at_bps=section.act, back_to_bps=section.back)
    return LawBand(
        risk_aversion_permille=int(section.law.risk_aversion * _PERMILLE),
        step_cost=raw_of(book, book.quote, section.law.step_cost) or RawAmount(0),
        trade_cost_bps=section.law.trade_cost,
    )


def problems_in_hedge_section(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    """Find fields that say nothing beside another one, and a collateral that the book cannot value."""
    section, here = book.hedge, (*path, "hedge")
    if section is None:
        return
    why = _no_collateral(book, section.collateral)
    if why is not None:
        yield Problem((*here, "collateral"), why)
    elif section.ratio == "auto" and not _is_worth_the_quote(book, section.collateral):
        says = f"auto takes the collateral's price in {book.quote} as constant, which that of {section.collateral} is not: name a share"
        yield Problem((*here, "ratio"), says)
    if section.ratio != "auto":
        for name in sorted({"horizon", "alpha", "volatility"} & section.model_fields_set):
            yield Problem((*here, name), "counts with `ratio: auto` only")
    if section.band.law is not None:
        for name in sorted({"act", "back"} & section.band.model_fields_set):
            yield Problem((*here, "band", name), "follows from band.law: leave it out")


def _no_collateral(book: BookSection, wanted: str | None) -> str | None:
    """Explain why a token cannot be the collateral; None: it is the quote, or another token that the book prices."""
    if wanted is None:
        return None
    named, (base, quote) = book.token(wanted), (book.token(name) for name in (book.base, book.quote))
    if named is None:
        return f"{wanted} is none of the book's tokens"
    if named == quote:
        return None
    if named == base:
        return f"{named.symbol} is what is borrowed, and as collateral it would take the short back"
    priced = (*book.quote_equivalents, *(asset.token for asset in book.assets))
    if named in [book.token(name) for name in priced]:
        return None
    return f"{named.symbol} has no price in the book: name it in quote_equivalents or in assets"


def _is_worth_the_quote(book: BookSection, wanted: str | None) -> bool:
    """Return whether a collateral is the quote, or counts as it at par."""
    at_par = [book.token(name) for name in (book.quote, *book.quote_equivalents)]
    return wanted is None or book.token(wanted) in at_par


def _bps(factor: Decimal) -> int:
    """Count a health factor in bps of 1. Rounds: down."""
    return int(factor * WHOLE_BPS)


def problems_in_hedge(policy: Policy, path: FieldPath) -> Iterator[Problem]:
    """Find a hedge that could not act, or whose own steps would trigger its emergency."""
    hedge, here = policy.hedge, (*path, "hedge")
    if not hedge:
        return
    names = [spec.name for spec in policy.chain.all_venues()]
    if hedge.venue not in names:
        yield Problem((*here, "venue"), f"is not a venue of the chain, which has {', '.join(names)}")
        return
    venue = venue_named(policy.chain, hedge.venue).hedge
    if venue is None:
        yield Problem((*here, "venue"), "no book is hedged at a venue of this kind")
    elif hedge.collateral and not venue.takes_any_collateral:
        yield Problem((*here, "collateral"), f"must be the quote: {hedge.venue} takes no other token")
    trading = venue_named(policy.chain, policy.acting_venue()).actions
    if trading is None or trading.trades is None:
        says = (
            f"nothing is traded for a hedge at venue {policy.acting_venue()}, where the reference pool lies"
        )
        yield Problem((*here, "venue"), says)
    yield from _factors(hedge, here)


def _factors(hedge: Hedge, path: FieldPath) -> Iterator[Problem]:
    yield from _laws(hedge, path)
    if isinstance(hedge.band, HedgeBand) and hedge.band.back_to_bps >= hedge.band.act_at_bps:
        yield Problem(
            (*path, "band", "back"), "must be below band.act: a step has to lead back into the band"
        )
    if hedge.ratio_bps > WHOLE_BPS:
        yield Problem((*path, "ratio"), "must be 100% at most")
    if hedge.act_bps <= WHOLE_BPS:
        yield Problem((*path, "act"), "must be above 1: below it the account is liquidated")
    if hedge.warn_bps < hedge.act_bps:
        yield Problem((*path, "warn"), "must not be below act")
    after_step = hedge.floor_bps * (WHOLE_BPS + hedge.gap_bps) // WHOLE_BPS
    if after_step <= hedge.act_bps:
        says = (
            "a step may end at floor * (1 + gap), which must be above act: the next block would take it back"
        )
        yield Problem((*path, "act"), says)


def _laws(hedge: Hedge, path: FieldPath) -> Iterator[Problem]:
    """Find values for which the laws of ratio and band are not defined."""
    if isinstance(hedge.band, LawBand) and not hedge.band.step_cost:
        yield Problem((*path, "band", "law", "step_cost"), "is less than the quote's smallest unit")
    if not hedge.auto:
        return
    if not _SHORTEST_HORIZON_S <= hedge.auto.horizon_s <= _LONGEST_HORIZON_S:
        yield Problem((*path, "horizon"), "must be between 1 day and 2 years")
    if not 0 < hedge.auto.alpha_bps <= _MOST_ALPHA_BPS:
        yield Problem((*path, "alpha"), "must be above 0% and at most 50%")
    if not _LEAST_VOLATILITY_BPS <= hedge.auto.volatility_bps <= _MOST_VOLATILITY_BPS:
        yield Problem((*path, "volatility"), "must be between 1% and 1,000% per year")


def notes_on_hedge(policy: Policy) -> Iterator[str]:
    """Describe what of a valid hedge may surprise."""
    if policy.hedge and policy.hedge.collateral:
        secures, quote = (_symbol(policy, token) for token in (policy.hedge.collateral, policy.quote))
        yield (
            f"{policy.book}: no plan sells hedge.collateral {secures}: when health is low or the hedge ends, what is owed is bought with "
            f"the {quote} in the wallet, so keep some there (rerange.reserve_quote)"
        )
    if policy.hedge and policy.hedge.auto and not policy.price_history:
        volatility = bps_text(policy.hedge.auto.volatility_bps)
        yield (
            f"{policy.book}: hedge.ratio auto always goes by hedge.volatility, {volatility}: the book has no price_history "
            "that could tell another"
        )


def _symbol(policy: Policy, token: Address) -> str:
    return next(each.symbol for each in policy.tokens if each.address == token)
