"""Refuse limits that limit nothing, or that let nothing pass."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pipeline.venues import registry
from streams.chain_numbers import ChainNumbers
from streams.human_numbers import bps_text, seconds_text
from streams.portfolio.sections import BookSection
from streams.yaml_positions import FieldPath, Problem

_MOST_BPS: Mapping[str, int] = {
    "max_cost": 1_000,
    "max_daily_cost": 1_000,
    "max_daily_gas": 1_000,
    "max_slippage": 500,
    "swap_tolerance": 100,
}
_LEAST_BLOCKS = 2
_LEAST_TWAP_S = 24
_DAY_S = 86_400
_DUST_DIGITS = 4
"""A ten-thousandth of the quote is worth no transaction anywhere."""


def problems_in_limits(book: BookSection, path: FieldPath, chain: ChainNumbers) -> Iterator[Problem]:
    """Find limits of a book that cannot be meant."""
    yield from _shares(book, path)
    yield from _times(book, path, chain.block_s)
    yield from _amounts(book, path)
    yield from _gas(book, path, chain.data_gas)


def _shares(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    for name, most in _MOST_BPS.items():
        value = getattr(book.limits, name)
        if value is not None and not 0 < value <= most:
            says = f"{bps_text(value)} is not above 0% and up to {bps_text(most)}"
            yield Problem((*path, "limits", name), says)
    theirs, most = book.limits.signer.swap_tolerance, _MOST_BPS["swap_tolerance"]
    if not 0 < theirs <= most:
        says = f"{bps_text(theirs)} is not above 0% and up to {bps_text(most)}"
        yield Problem((*path, "limits", "signer", "swap_tolerance"), says)
    if book.limits.max_daily_gas > book.limits.max_daily_cost > 0:
        says = f"{bps_text(book.limits.max_daily_gas)} is more than max_daily_cost, {bps_text(book.limits.max_daily_cost)}: it limits nothing"
        yield Problem((*path, "limits", "max_daily_gas"), says)


def _times(book: BookSection, path: FieldPath, block_s: int) -> Iterator[Problem]:
    limits = book.limits
    if limits.twap_window < _LEAST_TWAP_S:
        yield Problem((*path, "limits", "twap_window"), f"shorter than {_LEAST_TWAP_S} s, it can be bought")
    least_s = _LEAST_BLOCKS * block_s
    for section, name in (("limits", "deadline"), ("rerange", "stall_after")):
        value = getattr(getattr(book, section), name)
        if value < least_s:
            says = f"{seconds_text(value)} is less than {_LEAST_BLOCKS} blocks of {block_s} s: nothing would come in time"
            yield Problem((*path, section, name), says)
    for section, name in (("limits", "twap_window"), ("limits", "deadline"), ("rerange", "stall_after")):
        value = getattr(getattr(book, section), name)
        if value > _DAY_S:
            yield Problem((*path, section, name), f"{seconds_text(value)} is longer than a day")


def _gas(book: BookSection, path: FieldPath, data_gas: int) -> Iterator[Problem]:
    least = max(each.least_gas_limit for each in registry.all_actions()) + data_gas
    stated = book.limits.signer.max_gas_limit
    if stated < least:
        says = f"{stated} is less than the {least} of a mint: no plan would ever come to its end"
        yield Problem((*path, "limits", "signer", "max_gas_limit"), says)


def _amounts(book: BookSection, path: FieldPath) -> Iterator[Problem]:
    limits, quote = book.limits, book.token(book.quote)
    if book.mode == "live":
        for name in ("max_notional", "max_daily_notional"):
            if getattr(limits, name) is None:
                says = f"missing: mode live needs it, in {book.quote}; what is moved has no other bound"
                yield Problem((*path, "limits", name), says)
    least = Decimal(1).scaleb(-min(_DUST_DIGITS, quote.decimals if quote is not None else 0))
    for name in ("max_notional", "max_daily_notional"):
        amount = getattr(limits, name)
        if amount is not None and amount < least:
            yield Problem((*path, "limits", name), f"{amount} {book.quote} is dust: nothing would ever move")
    one, day = limits.max_notional, limits.max_daily_notional
    if one is not None and day is not None and least <= day < one:
        says = f"{day} a day is less than max_notional, {one}: no action of that size would ever pass"
        yield Problem((*path, "limits", "max_daily_notional"), says)
